"""Django's PostgreSQL backend, with timeouts for each connection or each transaction.

SQL statements set them, because PgBouncer refuses the connection parameter `options`.
"""

import select

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """`SESSION_LIMITS` and `TRANSACTION_LIMITS` in the settings of a database are parameters of PostgreSQL, such as `lock_timeout`.

    SESSION_LIMITS are set once per connection. TRANSACTION_LIMITS are set at the start of each transaction and end with it; they are
    for poolers that share connections between transactions.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.transaction_limits: dict[str, str] = self.settings_dict.get("TRANSACTION_LIMITS", {})

    def get_new_connection(self, conn_params):
        connection = super().get_new_connection(conn_params)
        for _ in range(self.pool.max_size if self.pool else 0):
            if not is_closed_by_server(connection):
                break
            connection.close()
            self.pool.putconn(connection)  # the pool replaces it
            connection = super().get_new_connection(conn_params)
        return connection

    def _configure_connection(self, connection):
        super()._configure_connection(connection)
        set_limits(connection, self.settings_dict.get("SESSION_LIMITS", {}), local=False)
        return True  # Django commits

    def _set_autocommit(self, autocommit):
        super()._set_autocommit(autocommit)
        if not autocommit:
            with self.wrap_database_errors:
                set_limits(self.connection, self.transaction_limits, local=True)


def is_closed_by_server(connection) -> bool:
    """Whether the server has closed this idle connection: then there is something to read. It costs no round trip, unlike a query."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def set_limits(connection, limits: dict[str, str], local: bool) -> None:
    if limits:
        calls = ", ".join(["set_config(%s, %s, %s)"] * len(limits))
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {calls}", [part for name, value in limits.items() for part in (name, value, local)])
