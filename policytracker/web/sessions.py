"""Sessions that cannot be saved when the response is ready."""

from django.contrib.sessions import middleware
from django.contrib.sessions.exceptions import SessionInterrupted
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from policytracker.sql.errors import RETRY_AFTER, temporary_error
from policytracker.web.errors import refuse


class SessionMiddleware(middleware.SessionMiddleware):
    """Django's, with an error response instead of a 500. It saves the session when the view and its transaction have ended."""

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        try:
            return super().process_response(request, response)
        except SessionInterrupted:
            detail = _("Your session has ended while this request was running, which may have been completed. Log in and check the result.")
            return refuse(request, 409, "session_ended", detail)
        except (DatabaseError, InterfaceError) as error:
            temporary = temporary_error(error)
            if temporary is None:
                raise
            return refuse(request, temporary.status, temporary.code, str(temporary.detail), {"Retry-After": str(RETRY_AFTER)})
