"""Who may use which method of the API. What they may read is decided by `visible_to()`."""

from django.conf import settings
from rest_framework import permissions


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
