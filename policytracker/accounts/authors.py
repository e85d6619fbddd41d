"""The users by whose changes the history can be filtered."""

from django.utils.translation import gettext as _

from policytracker.accounts.models import User
from policytracker.history.feed import Feed, Filters
from policytracker.resources import ReadContext


def author(name: str, context: ReadContext) -> str:
    """The name of a user whom the reader may see, or who made a change that the reader may see. Raises ValueError."""
    if not context.reader.sees_people:
        raise ValueError(_("Sign in to filter by people."))
    known = User.visible_to(context.reader).filter(username=name).exists()
    if known or Feed(context, Filters(users=[name])).page(None, 1).entries:
        return name
    raise ValueError(_("There is no user “{name}”.").format(name=name[:100]))
