"""The pages of people, groups and tokens, which are administrators' business."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from policytracker.admin.base import BaseAdmin
from policytracker.models import Token, User
from policytracker.visibility import Role


class PeopleAdmin(BaseAdmin):
    def get_autocomplete_fields(self, request):
        return []

    def lookup_allowed(self, lookup, value, request):
        return True


@admin.register(User)
class UserAdmin(DjangoUserAdmin, PeopleAdmin):  # type: ignore[misc]
    form, add_form, change_password_form = UserChangeForm, UserCreationForm, AdminPasswordChangeForm
    icon = "person"
    list_display = ["username", "first_name", "last_name", "is_active", "last_login"]
    list_filter = ["groups", "is_active"]
    search_fields = ["username", "first_name", "last_name"]
    filter_horizontal = ()
    list_filter_submit = False
    fieldsets = [
        (None, {"fields": ["username", "password", ("first_name", "last_name"), "email"]}),
        ("Access", {"fields": ["groups", ("is_active", "is_staff", "is_superuser")]}),
        ("Seen", {"fields": [("last_login", "date_joined")]}),
    ]
    readonly_fields = ["last_login", "date_joined"]

    def has_view_permission(self, request, obj=None):
        # Whoever names the owner of a record must be able to find people by name, and sees no more of them.
        finding = request.resolver_match and request.resolver_match.url_name == "autocomplete"
        return super().has_view_permission(request, obj) or bool(finding and request.user.roles & {Role.ANALYST, Role.REVIEWER})

    def get_search_results(self, request, queryset, search_term):
        rows, twice = super().get_search_results(request, queryset, search_term)
        return (rows.filter(is_active=True) if request.resolver_match.url_name == "autocomplete" else rows), twice


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, PeopleAdmin):  # type: ignore[misc]
    icon = "groups"
    search_fields = ["name"]
    filter_horizontal = ()


@admin.register(Token)
class TokenAdmin(PeopleAdmin):
    icon = "key"
    list_display = ["token_key", "name", "user", "created", "expiry"]
    list_references = ["user"]
    search_fields = ["name", "user"]
    fields = readonly_fields = ["user", "name", "token_key", "created", "expiry"]

    def has_add_permission(self, request):
        return False  # a secret is made where its owner sees it: over the API
