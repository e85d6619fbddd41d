"""API authentication: bearer token or session."""

from functools import cache

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef, TextField
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _
from knox.auth import TokenAuthentication as KnoxAuthentication
from knox.crypto import hash_token
from knox.settings import CONSTANTS
from rest_framework.authentication import SessionAuthentication as DjangoSessionAuthentication
from rest_framework.exceptions import AuthenticationFailed

from policytracker.accounts.models import Token, User
from policytracker.sql.parameters import Parameter, Statement

TOKEN_FIELDS = [field.attname for field in Token._meta.concrete_fields]
USER_FIELDS = [field.attname for field in User._meta.concrete_fields]


@cache
def tokens_with_users() -> Statement:
    """The tokens with a key: their columns, those of their users, and the names of the users' groups."""
    groups = User.groups.through.objects.filter(user=OuterRef("user")).values_list("group__name")
    rows = Token.objects.filter(token_key=Parameter("key", TextField()))
    return Statement.of(rows.values_list(*TOKEN_FIELDS, *(f"user__{name}" for name in USER_FIELDS), ArraySubquery(groups)))


class TokenAuthentication(KnoxAuthentication):
    """`Authorization: Bearer <token>`. One statement reads the token, its user and the roles of the user.

    Unlike knox, it does not delete expired tokens: a GET writes nothing. They are deleted when their owner creates a new one.
    """

    def authenticate_credentials(self, token: bytes) -> tuple[User, Token]:
        if not (token.isascii() and token.decode().isprintable()):
            raise AuthenticationFailed(_("Invalid token."))
        text = token.decode()
        for row in tokens_with_users().rows({"key": text[: CONSTANTS.TOKEN_KEY_LENGTH]}):
            auth_token = Token.from_db("default", TOKEN_FIELDS, row[: len(TOKEN_FIELDS)])
            is_expired = auth_token.expiry is not None and auth_token.expiry < timezone.now()
            if not is_expired and constant_time_compare(hash_token(text), auth_token.digest):
                auth_token.user = User.from_db("default", USER_FIELDS, row[len(TOKEN_FIELDS) : -1])
                auth_token.user.roles = auth_token.user.roles_in(row[-1])
                return self.validate_user(auth_token)
        raise AuthenticationFailed(_("Invalid token."))


class SessionAuthentication(DjangoSessionAuthentication):
    """The session of the admin. Without credentials the response is 401, not DRF's 403."""

    def authenticate_header(self, request):
        return "Bearer"
