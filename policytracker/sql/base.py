"""Django's PostgreSQL backend, with timeouts for each connection or each transaction, and one for all locks of a transaction.

SQL statements set them, because PgBouncer refuses the connection parameter `options`.
"""

import select
from time import monotonic

from django.db.backends.postgresql import base
from psycopg.pq import TransactionStatus

SLOW_STATEMENT = 0.1  # seconds; a statement that takes less has not waited long for a lock
LAST_WAIT = "100ms"  # for each lock after the time for all locks is used up: others hold theirs for less in the usual case


class DatabaseWrapper(base.DatabaseWrapper):
    """`SESSION_LIMITS` and `TRANSACTION_LIMITS` in the settings of a database are parameters of PostgreSQL, such as `lock_timeout`.

    SESSION_LIMITS are set once per connection. TRANSACTION_LIMITS are set at the start of each transaction and end with it; they are
    for poolers that share connections between transactions.

    LOCK_TIMEOUT_TOTAL, such as `8s`, limits the waits of a transaction for all its locks. PostgreSQL does not report how long a statement
    waited, so each statement of 0.1 seconds or more counts. After such a statement, `lock_timeout` is lowered, which costs a query.
    One statement that waits for several locks in turn is limited by `statement_timeout`.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.transaction_limits: dict[str, str] = self.settings_dict.get("TRANSACTION_LIMITS", {})
        self.slow_seconds = 0.0  # of the slow statements of this transaction
        if self.settings_dict.get("LOCK_TIMEOUT_TOTAL", "0ms") != "0ms":
            self.execute_wrappers.append(self.count_slow_statement)

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
            self.slow_seconds = 0.0
            with self.wrap_database_errors:
                set_limits(self.connection, self.transaction_limits, local=True)

    def _savepoint_rollback(self, sid):
        super()._savepoint_rollback(sid)
        if self.slow_seconds:
            self.lower_lock_timeout()  # the rollback has restored the one before the savepoint

    def count_slow_statement(self, execute, sql, params, many, context):
        start = monotonic()
        try:
            return execute(sql, params, many, context)
        finally:
            seconds = monotonic() - start
            if seconds >= SLOW_STATEMENT and self.in_atomic_block:
                self.slow_seconds += seconds
                if self.connection.info.transaction_status == TransactionStatus.INTRANS:
                    self.lower_lock_timeout()

    def lower_lock_timeout(self):
        """Let the next statements of the transaction wait for a lock no longer than is left of the time for all."""
        with self.wrap_database_errors, self.connection.cursor() as cursor:
            cursor.execute(
                """SELECT set_config('lock_timeout', extract(epoch FROM least(
                    nullif(current_setting('lock_timeout')::interval, '0'), greatest(%s::interval - %s * interval '1s', %s::interval)
                )) * 1000 || 'ms', true)""",
                [self.settings_dict["LOCK_TIMEOUT_TOTAL"], self.slow_seconds, LAST_WAIT],
            )


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
