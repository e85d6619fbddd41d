"""API permissions: who may use which method. Which records a user may read is decided by `visible_to()`."""

from django.conf import settings
from rest_framework import permissions


class RecordPermissions(permissions.BasePermission):
    """Reading requires a role, or nothing with `PUBLIC_READ`. Writing requires the Django model permission, as in the admin.

    A view or action with `function_checks_permission = True` requires a role only; the function that it calls checks the rest.
    """

    verbs = {"POST": "add", "PUT": "change", "PATCH": "change", "DELETE": "delete"}

    def has_permission(self, request, view) -> bool:
        user = request.user
        if not user.is_authenticated:
            return settings.PUBLIC_READ and request.method in ("GET", "HEAD")
        if not hasattr(view, "model"):  # tokens, `me/` and `choices/`
            return True
        if request.method not in self.verbs or view.function_checks_permission:
            return bool(user.roles)
        return user.has_perm(f"{view.model._meta.app_label}.{self.verbs[request.method]}_{view.model._meta.model_name}")
