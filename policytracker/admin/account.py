"""The page *My account*: name and e-mail, password, own API tokens."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.auth import authenticate
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _

from policytracker.accounts.models import User
from policytracker.admin.error_summary import errors_of_form
from policytracker.admin.people import role_label
from policytracker.admin.theme import apply_theme
from policytracker.api.tokens import DEFAULT_DAYS, MAX_DAYS, create_token, own_tokens, revoke_token
from policytracker.sql.moment import reads_past


class ConfirmedForm(forms.Form):
    """A form that a session alone cannot submit: it asks for the password of the user. Wrong ones count as failed logins."""

    password = forms.CharField(
        label=_("Your password"),
        max_length=1000,
        strip=False,
        required=False,
        widget=forms.PasswordInput({"autocomplete": "current-password"}),
    )

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.request = request
        if not request.user.has_usable_password():  # the user logs in without a password of this site
            del self.fields["password"]

    def needs_password(self) -> bool:
        return True

    def clean(self) -> dict[str, Any] | None:
        values = super().clean()
        if "password" in self.fields and not self.errors and self.needs_password():
            password = self.cleaned_data["password"]
            if not password:
                self.add_error("password", ValidationError(_("Enter your password."), "required"))
            elif authenticate(self.request, username=self.request.user.get_username(), password=password) is None:
                self.add_error("password", ValidationError(_("Wrong password."), "wrong_password"))
        return values


class ProfileForm(ConfirmedForm, forms.ModelForm):
    class Meta:
        model = User
        fields = ["first_name", "last_name", "email"]

    field_order = ["first_name", "last_name", "email", "password"]

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if "password" in self.fields:
            self.fields["password"].help_text = _("Required for a new e-mail address.")

    def needs_password(self) -> bool:
        return "email" in self.changed_data


class TokenForm(ConfirmedForm):
    """A new API token."""

    field_order = ["name", "expires_in_days", "password"]

    name = forms.CharField(
        max_length=100, label=_("Token name"), help_text=_("The program that will use the token, such as “nightly export”.")
    )
    expires_in_days = forms.IntegerField(min_value=1, max_value=MAX_DAYS, initial=DEFAULT_DAYS, label=_("Days valid"))


class RevokeForm(forms.Form):
    token = forms.UUIDField()


def account(request: HttpRequest) -> HttpResponse:
    """Each form of the page sends its name as `form`. A new token is shown in the response to its form only."""
    if reads_past():
        raise PermissionDenied  # an account has no past
    submitted = request.POST.get("form") if request.method == "POST" else None
    profile = ProfileForm(request, request.POST if submitted == "profile" else None, instance=User.objects.get(pk=request.user.pk))
    token = TokenForm(request, request.POST if submitted == "token" else None)
    revoke = RevokeForm(request.POST if submitted == "revoke" else None)
    secret = ""
    if profile.is_bound and profile.is_valid():
        profile.save()
        return redirect(request, _("Profile saved."))
    if revoke.is_bound:
        return redirect(request, *revoked(request, revoke.cleaned_data["token"] if revoke.is_valid() else None))
    if token.is_bound and token.is_valid():
        secret = create_token(request.user, token.cleaned_data["name"], token.cleaned_data["expires_in_days"])[1]
        token = TokenForm(request)
    errors = [*errors_of_form(profile), *errors_of_form(token)]
    context = admin.site.each_context(request) | {
        "title": _("My account"),
        "profile": apply_theme(profile),
        "token_form": apply_theme(token),
        "error_summary": errors,
        "secret": secret,
        "tokens": own_tokens(request.user),
        "roles": sorted(map(role_label, request.user.roles)),
    }
    request.current_app = admin.site.name
    return TemplateResponse(request, "admin/account.html", context)


def revoked(request: HttpRequest, key: UUID | None) -> tuple[Any, int]:
    """Revoke a token of the user. Returns the message and its level."""
    if key and revoke_token(request.user, key):
        return _("Token revoked."), messages.SUCCESS
    return _("This token does not exist any more."), messages.ERROR


def redirect(request: HttpRequest, message: Any, level: int = messages.SUCCESS) -> HttpResponse:
    messages.add_message(request, level, message)
    return HttpResponseRedirect(request.path)
