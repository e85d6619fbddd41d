"""The liveness and readiness probes for an orchestrator or load balancer."""

from django.db import DatabaseError, InterfaceError, connection
from django.http import JsonResponse
from django.utils.translation import gettext as _

from policytracker.installed.installation import outdated_functions, outdated_triggers, outdated_views, pending_migrations
from policytracker.sql.errors import RETRY_AFTER


def alive(request) -> JsonResponse:
    """Liveness. Does not query the database: a database outage is no reason to restart the process."""
    return JsonResponse({"status": "ok"})


def ready(request) -> JsonResponse:
    """Readiness: the database can be reached and has all migrations, functions, triggers and views of this version.

    Costs five short queries. The expected state is computed once per process.
    """
    try:
        if pending_migrations("default"):
            return unavailable(_("Migrations are pending. Run migrate."))
        with connection.cursor() as cursor:
            if outdated_functions(cursor) or outdated_triggers(cursor) or outdated_views(cursor):
                return unavailable(_("Triggers or views are missing or outdated. Run migrate."))
    except (DatabaseError, InterfaceError):
        return unavailable(_("The database cannot be reached."))
    return JsonResponse({"status": "ok"})


def unavailable(detail: str) -> JsonResponse:
    return JsonResponse({"status": "unavailable", "detail": detail}, status=503, headers={"Retry-After": str(RETRY_AFTER)})
