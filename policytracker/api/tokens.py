"""Signing in to the API: tokens, and what happens to whoever guesses."""

from __future__ import annotations

import json
from datetime import timedelta

from axes.handlers.proxy import AxesProxyHandler
from django.conf import settings
from django.contrib.auth import authenticate
from django.http import Http404, HttpResponse, JsonResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.views import APIView

from policytracker.api.errors import APIError
from policytracker.api.parameters import only
from policytracker.api.serializers import StrictSerializer
from policytracker.models import Token

WAIT = int(settings.AXES_COOLOFF_TIME * 3600)
TOO_MANY = "Too many failed attempts under this name from this address. Wait a quarter of an hour."


class SignIn(StrictSerializer):
    """Name and password, and what the token is to be called and how long it holds."""

    username = serializers.CharField(max_length=150)
    password = serializers.CharField(max_length=1000, trim_whitespace=False)
    name = serializers.CharField(max_length=100, required=False, default="", allow_blank=True)
    expires_in_days = serializers.IntegerField(min_value=1, max_value=365, required=False, default=90)


class NewToken(serializers.Serializer):
    id = serializers.UUIDField()
    token = serializers.CharField(help_text="Shown this once.")
    expires_at = serializers.DateTimeField()


class OwnToken(serializers.ModelSerializer):
    id = serializers.UUIDField(source="uid")
    created_at = serializers.DateTimeField(source="created")
    expires_at = serializers.DateTimeField(source="expiry")

    class Meta:
        model = Token
        fields = ["id", "name", "created_at", "expires_at"]


class Tokens(APIView):
    """One's own tokens. Making one needs no credentials but name and password."""

    def get_authenticators(self):
        return [] if self.request and self.request.method == "POST" else super().get_authenticators()

    def get_permissions(self):
        return [AllowAny() if self.request.method == "POST" else IsAuthenticated()]

    @extend_schema(request=SignIn, responses={201: NewToken}, auth=[], operation_id="auth_tokens_create")
    def post(self, request):
        only(request, set())
        asked = SignIn(data=request.data)
        asked.is_valid(raise_exception=True)
        credentials = {name: asked.validated_data[name] for name in ("username", "password")}
        if not AxesProxyHandler.is_allowed(request._request, credentials):
            return locked_out(request._request)
        user = authenticate(request._request, **credentials)
        if user is None:
            if getattr(request._request, "axes_locked_out", False):
                return locked_out(request._request)
            raise APIError("authentication_failed", "Wrong username or password.", 401)
        Token.objects.filter(user=user, expiry__lt=timezone.now()).delete()
        days = timedelta(asked.validated_data["expires_in_days"])
        token, secret = Token.objects.create(user, expiry=days, name=asked.validated_data["name"])
        made = NewToken({"id": token.uid, "token": secret, "expires_at": token.expiry})
        return JsonResponse(made.data, status=201)

    @extend_schema(responses=OwnToken(many=True), operation_id="auth_tokens_list")
    def get(self, request):
        only(request, set())
        mine = Token.objects.filter(user=request.user, expiry__gt=timezone.now()).order_by("created")
        return JsonResponse(OwnToken(mine, many=True).data, safe=False)


class OneToken(APIView):
    """Revoking a token of one's own."""

    permission_classes = [IsAuthenticated]

    @extend_schema(responses={204: None}, operation_id="auth_tokens_destroy")
    def delete(self, request, key):
        only(request, set())
        if not Token.objects.filter(user=request.user, uid=key).delete()[0]:
            raise Http404
        return HttpResponse(status=204)


def locked_out(request, response=None, credentials=None) -> HttpResponse:
    """What whoever guesses is told, at the API and at the login form."""
    wait = {"Retry-After": str(WAIT)}
    if request.path.startswith("/api/"):
        return HttpResponse(json.dumps({"code": "throttled", "detail": TOO_MANY}), "application/json", 429, headers=wait)
    return HttpResponse(TOO_MANY, "text/plain; charset=utf-8", 429, headers=wait)
