"""Credentials of API requests: bearer token or session."""

from django.utils import timezone
from knox.auth import TokenAuthentication as KnoxAuthentication
from rest_framework.authentication import SessionAuthentication as DjangoSessionAuthentication
from rest_framework.exceptions import AuthenticationFailed


class TokenAuthentication(KnoxAuthentication):
    """`Authorization: Bearer <token>`."""

    def authenticate_credentials(self, token):
        if not (token.isascii() and token.decode().isprintable()):
            raise AuthenticationFailed("Invalid token.")
        return super().authenticate_credentials(token)

    def _cleanup_token(self, auth_token) -> bool:
        # Reading deletes nothing: an expired token is refused, and goes when its owner makes or revokes one.
        return auth_token.expiry is not None and auth_token.expiry < timezone.now()


class SessionAuthentication(DjangoSessionAuthentication):
    """The session of the admin; a stranger is asked for credentials (401), not forbidden (403)."""

    def authenticate_header(self, request):
        return "Bearer"
