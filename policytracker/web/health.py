"""The two probes of an orchestrator or load balancer: whether the process answers, and whether it can serve."""

from django.db import DatabaseError, InterfaceError, connection
from django.http import JsonResponse

from policytracker.db.errors import RETRY_AFTER
from policytracker.records.installation import outdated_functions, outdated_triggers, pending_migrations


def alive(request) -> JsonResponse:
    """Whether this process answers. It asks nothing of the database: an outage there is no reason to end the process."""
    return JsonResponse({"status": "ok"})


def ready(request) -> JsonResponse:
    """Whether it can serve: the database is reached, has all migrations, and its triggers record every write.

    Costs three short queries of PostgreSQL's own tables; what they are compared with is read once for a process.
    """
    try:
        if pending_migrations("default"):
            return unavailable("Migrations are pending. Run migrate.")
        with connection.cursor() as cursor:
            if outdated_functions(cursor) or outdated_triggers(cursor):
                return unavailable("Triggers are missing or not of this version. Run migrate.")
    except (DatabaseError, InterfaceError):
        return unavailable("The database cannot be reached.")
    return JsonResponse({"status": "ok"})


def unavailable(detail: str) -> JsonResponse:
    return JsonResponse({"status": "unavailable", "detail": detail}, status=503, headers={"Retry-After": str(RETRY_AFTER)})
