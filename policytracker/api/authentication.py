"""API authentication: bearer token or session."""

from django.utils import timezone
from django.utils.translation import gettext as _
from knox.auth import TokenAuthentication as KnoxAuthentication
from rest_framework.authentication import SessionAuthentication as DjangoSessionAuthentication
from rest_framework.exceptions import AuthenticationFailed


class TokenAuthentication(KnoxAuthentication):
    """`Authorization: Bearer <token>`."""

    def authenticate_credentials(self, token):
        if not (token.isascii() and token.decode().isprintable()):
            raise AuthenticationFailed(_("Invalid token."))
        return super().authenticate_credentials(token)

    def _cleanup_token(self, auth_token) -> bool:
        # Unlike knox, do not delete an expired token here: a GET writes nothing. It is deleted when its owner creates a new one.
        return auth_token.expiry is not None and auth_token.expiry < timezone.now()


class SessionAuthentication(DjangoSessionAuthentication):
    """The session of the admin. Without credentials the response is 401, not DRF's 403."""

    def authenticate_header(self, request):
        return "Bearer"
