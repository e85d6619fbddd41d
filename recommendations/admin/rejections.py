"""Why a review action of the admin is rejected, as messages."""

from django.core.exceptions import ValidationError
from django.db import DatabaseError
from django.utils.translation import gettext_lazy as _

from policytracker.records import exceptions, violations
from recommendations.models import ProgressUpdate

DELETED_UPDATE = _("This update no longer exists. Nothing was changed.")
REJECTIONS = (exceptions.Refused, ValidationError, ProgressUpdate.DoesNotExist, DatabaseError)


def rejection_messages(rejection: Exception) -> list[str]:
    """The messages of one of `REJECTIONS`. Raises it again if it is an error of the server, such as a lock timeout."""
    match rejection:
        case exceptions.Refused():
            return [refusal.detail for refusal in rejection.refusals]
        case ValidationError():
            return rejection.messages
        case DatabaseError():
            return [str(violations.constraint_of(rejection).message)]
    return [str(DELETED_UPDATE)]
