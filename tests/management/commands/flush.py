"""`flush`, which Django calls after each test that commits: it keeps what migrations created, so it need not be created again."""

from django.core.management.commands import flush
from django.db import connections

KEPT = {"auth_group", "auth_group_permissions", "auth_permission", "django_content_type"}


class Command(flush.Command):
    def handle(self, **options):
        connection = connections[options["database"]]
        names = set(connection.introspection.django_table_names(only_existing=True, include_views=False)) - KEPT
        tables = [connection.ops.quote_name(name) for name in sorted(names)]
        with connection.cursor() as cursor:
            cursor.execute(" UNION ALL ".join(f"(SELECT '{table}' FROM {table} LIMIT 1)" for table in tables))
            if used := [table for (table,) in cursor.fetchall()]:
                cursor.execute(f"TRUNCATE {', '.join(used)} CASCADE")  # to empty tables that refer to them
