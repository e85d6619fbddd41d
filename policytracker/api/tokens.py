"""API tokens: create, list and revoke; lockout after failed logins."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from axes.handlers.proxy import AxesProxyHandler
from django.conf import settings
from django.contrib.auth import authenticate
from django.db.models import QuerySet
from django.http import Http404, HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.views import APIView

from policytracker.accounts.models import Token, User
from policytracker.api.errors import APIError
from policytracker.representation.parameters import reject_unknown_parameters
from policytracker.representation.serializers import StrictSerializer
from policytracker.web.errors import refuse

MAX_DAYS, DEFAULT_DAYS = 365, 90  # the lifetime of a token
LOCKOUT_SECONDS = int(settings.AXES_COOLOFF_TIME * 3600)
TOO_MANY_ATTEMPTS = _("Too many failed login attempts. Try again in {minutes} minutes.")


def create_token(user: User, name: str, days: int) -> tuple[Token, str]:
    """A new token with its secret, which is stored as a hash only. Deletes the expired tokens of the user."""
    Token.objects.filter(user=user, expiry__lt=timezone.now()).delete()
    return Token.objects.create(user, expiry=timedelta(days), name=name)


def own_tokens(user: User) -> QuerySet[Token]:
    """The tokens of the user that have not expired, oldest first."""
    return Token.objects.filter(user=user, expiry__gt=timezone.now()).order_by("created")


def revoke_token(user: User, key: UUID) -> bool:
    """Whether the user had this token. It is deleted."""
    return bool(Token.objects.filter(user=user, uid=key).delete()[0])


class SignIn(StrictSerializer):
    """User name and password, with a name and a lifetime for the token."""

    username = serializers.CharField(max_length=150)
    password = serializers.CharField(max_length=1000, trim_whitespace=False)
    name = serializers.CharField(max_length=100, required=False, default="", allow_blank=True)
    expires_in_days = serializers.IntegerField(min_value=1, max_value=MAX_DAYS, required=False, default=DEFAULT_DAYS)


class NewToken(serializers.Serializer):
    id = serializers.UUIDField()
    token = serializers.CharField(help_text=_("Shown only once."))
    expires_at = serializers.DateTimeField()


class OwnToken(serializers.ModelSerializer):
    id = serializers.UUIDField(source="uid")
    created_at = serializers.DateTimeField(source="created")
    expires_at = serializers.DateTimeField(source="expiry")

    class Meta:
        model = Token
        fields = ["id", "name", "created_at", "expires_at"]


class TokenList(APIView):
    """The tokens of the current user. Creating one requires user name and password only."""

    def get_authenticators(self):
        return [] if self.request and self.request.method == "POST" else super().get_authenticators()

    def get_permissions(self):
        return [AllowAny() if self.request.method == "POST" else IsAuthenticated()]

    @extend_schema(request=SignIn, responses={201: NewToken}, auth=[], operation_id="auth_tokens_create")
    def post(self, request):
        reject_unknown_parameters(request.query_params, set())
        serializer = SignIn(data=request.data)
        serializer.is_valid(raise_exception=True)
        values = serializer.validated_data
        credentials = {name: values[name] for name in ("username", "password")}
        if not AxesProxyHandler.is_allowed(request._request, credentials):
            return locked_out(request._request)
        user = authenticate(request._request, **credentials)
        if user is None:
            if getattr(request._request, "axes_locked_out", False):
                return locked_out(request._request)
            raise APIError("authentication_failed", _("Wrong username or password."), 401)
        token, secret = create_token(user, values["name"], values["expires_in_days"])
        return JsonResponse(NewToken({"id": token.uid, "token": secret, "expires_at": token.expiry}).data, status=201)

    @extend_schema(responses=OwnToken(many=True), operation_id="auth_tokens_list")
    def get(self, request):
        reject_unknown_parameters(request.query_params, set())
        return JsonResponse(OwnToken(own_tokens(request.user), many=True).data, safe=False)


class TokenDetail(APIView):
    """Revoke a token of the current user."""

    permission_classes = [IsAuthenticated]

    @extend_schema(responses={204: None}, operation_id="auth_tokens_destroy")
    def delete(self, request, key):
        reject_unknown_parameters(request.query_params, set())
        if not revoke_token(request.user, key):
            raise Http404
        return HttpResponse(status=204)


def locked_out(request, response=None, credentials=None) -> HttpResponse:
    """The 429 response after too many failed logins, for the API and the login form (`AXES_LOCKOUT_CALLABLE`)."""
    detail = TOO_MANY_ATTEMPTS.format(minutes=LOCKOUT_SECONDS // 60)
    return refuse(request, 429, "throttled", detail, {"Retry-After": str(LOCKOUT_SECONDS)})
