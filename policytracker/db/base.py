"""Django's database backend for PostgreSQL, with settings that hold for one transaction.

A setting that is given when a connection is opened, or by `SET`, is lost or passed on to others where a pooler shares connections
between transactions. `SET LOCAL` is not.
"""

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """`LIMITS` in the settings of a database: parameters of PostgreSQL, such as `lock_timeout`, set when a transaction begins."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.limits: dict[str, str] = self.settings_dict.get("LIMITS", {})

    def _set_autocommit(self, autocommit):
        super()._set_autocommit(autocommit)
        if not autocommit and self.limits:
            settings = ", ".join(["set_config(%s, %s, true)"] * len(self.limits))
            with self.wrap_database_errors, self.connection.cursor() as cursor:
                cursor.execute(f"SELECT {settings}", [part for setting in self.limits.items() for part in setting])
