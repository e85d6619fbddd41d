"""Who may knock at the API, and with which credentials. What they then see is decided by `visible_to()`."""

from django.conf import settings
from django.utils import timezone
from knox.auth import TokenAuthentication as KnoxAuthentication
from rest_framework import permissions
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


class RecordPermissions(permissions.BasePermission):
    """Reading is for whoever has a role, or for everybody where the site is open; writing follows Django's model permissions.

    The admin obeys these too. An action that moves a record names its own permission, as `permission` of the view or nothing.
    """

    verbs = {"POST": "add", "PUT": "change", "PATCH": "change", "DELETE": "delete"}

    def has_permission(self, request, view) -> bool:
        user = request.user
        if not user.is_authenticated:
            return settings.PUBLIC_READ and request.method in ("GET", "HEAD")
        if not hasattr(view, "model"):  # one's own tokens, who one is, the code lists
            return True
        if request.method not in self.verbs or view.judged_by_function:
            return bool(user.roles)
        return user.has_perm(f"{view.model._meta.app_label}.{self.verbs[request.method]}_{view.model._meta.model_name}")
