"""Pages of users, roles and API tokens, for administrators."""

from __future__ import annotations

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from policytracker.accounts.models import Token, User
from policytracker.admin.base import BaseAdmin
from policytracker.admin.theme import (
    AdminPasswordChangeForm,
    AuthenticationForm,
    UnfoldAdminCheckboxSelectMultipleWidget,
    UserChangeForm,
    UserCreationForm,
    display,
)
from policytracker.records.access import Role
from policytracker.records.models import RegistryRecord
from policytracker.resources import registry


class SignInForm(AuthenticationForm):
    """The login form. Explains why an account without a role cannot log in."""

    error_messages = AuthenticationForm.error_messages | {"invalid_login": _("Wrong username or password.")}

    def confirm_login_allowed(self, user):
        if user.is_active and not user.roles:
            raise ValidationError(_("This account has no role yet. Ask an administrator to assign one."), code="no_role")
        super().confirm_login_allowed(user)


admin.site.login_form = SignInForm
admin.site.password_change_template = "admin/password_change.html"  # noqa: S105 - a path
admin.site.unregister(Group)
# A group of Django is a role of the program. Not a proxy model of that name: its permissions and the addresses of its pages would differ.
Group._meta.verbose_name, Group._meta.verbose_name_plural = _("role"), _("roles")


def role_label(name: str) -> str:
    """The name of a role as people read it: the label of a built-in role."""
    return str(Role(name).label) if name in set(Role) else name


Group.__str__ = lambda group: role_label(group.name)  # type: ignore[method-assign]


class PeopleAdmin(BaseAdmin):
    """Base class of the pages of users, roles and tokens. They use plain selects; autocomplete fields require a visible list."""

    menu = "policytracker"
    object_history_template = "admin/account_history.html"

    def get_autocomplete_fields(self, request):
        return []

    def history_view(self, request, object_id, extra_context=None):
        # With `opts` the breadcrumb would not end with the title.
        own = {"opts": None, "back_url": reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[object_id])}
        return super().history_view(request, object_id, own | (extra_context or {}))


class AccountForm(UserChangeForm):
    """The form of a user. The password field has a link to the page that changes it, and needs no help."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["password"].help_text = ""


class RoleFilter(admin.RelatedFieldListFilter):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.title = _("role")


@admin.register(User)
class UserAdmin(DjangoUserAdmin, PeopleAdmin):  # type: ignore[misc]
    """A user with a role may log in to the admin: the database derives `is_staff` from the roles."""

    form, add_form, change_password_form = AccountForm, UserCreationForm, AdminPasswordChangeForm
    add_form_template = None  # that of Django promises more fields after the first save
    change_user_password_template = "admin/user_password.html"  # noqa: S105 - a path
    icon = "person"
    list_display = ["username", "first_name", "last_name", "role", "is_active", "last_login"]
    list_filter = [("groups", RoleFilter), "is_active"]
    filter_horizontal = ()
    list_filter_submit = False
    fieldsets = [
        (None, {"fields": ["username", "password", ("first_name", "last_name"), "email"]}),
        (_("Access"), {"fields": ["groups", ("is_active", "is_superuser")]}),
        (_("Activity"), {"fields": [("last_login", "date_joined")]}),
    ]
    add_fieldsets = [
        (None, {"fields": ["username", ("first_name", "last_name"), "email"]}),
        (_("Access"), {"fields": ["groups"]}),
        (_("Password"), {"fields": ["password1", "password2"]}),
    ]
    readonly_fields = ["last_login", "date_joined"]
    help_texts = {
        "username": _("Letters, digits and @ . + - _ only. At most 150 characters."),
        "is_active": _("A user who is not active cannot log in."),
        "is_superuser": _("Has all permissions. The role Administrator is enough for daily work."),
    }

    def get_queryset(self, request):
        return super().get_queryset(request).prefetch_related("groups")

    def has_delete_permission(self, request, obj=None):
        return super().has_delete_permission(request, obj) and obj != request.user  # nobody deletes the own account by mistake

    @display(description=_("role"))
    def role(self, user):
        names = {str(group) for group in user.groups.all()} | ({role_label(Role.ADMINISTRATOR)} if user.is_superuser else set())
        return ", ".join(sorted(names))

    def formfield_for_dbfield(self, db_field, request, **kwargs):
        if db_field.name in self.help_texts:
            kwargs["help_text"] = self.help_texts[db_field.name]
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and db_field.name == "groups":
            field.label, field.help_text = _("Roles"), _("Users with a role can log in and use the API.")
            field.widget = UnfoldAdminCheckboxSelectMultipleWidget(choices=field.choices)
        return field

    def has_view_permission(self, request, obj=None):
        # Analysts and reviewers choose owners by name, but may not open the pages of users.
        autocomplete = request.resolver_match and request.resolver_match.url_name == "autocomplete"
        return super().has_view_permission(request, obj) or bool(autocomplete and request.user.roles & {Role.ANALYST, Role.REVIEWER})

    def get_search_results(self, request, queryset, search_term):
        rows, may_have_duplicates = super().get_search_results(request, queryset, search_term)
        if request.resolver_match.url_name == "autocomplete":
            rows = rows.filter(pk__in=User.editors()) if self.is_for_registry_record(request) else rows.filter(is_active=True)
        return rows, may_have_duplicates

    def is_for_registry_record(self, request):
        """Whether the field that searches belongs to a registry record: its owner, lead and team are users who may edit it."""
        models = {(model._meta.app_label, model._meta.model_name): model for model in self.admin_site._registry}
        model = models.get((request.GET.get("app_label"), request.GET.get("model_name")))
        return model is not None and issubclass(model, RegistryRecord)


class PermissionsField(forms.ModelMultipleChoiceField):
    widget = UnfoldAdminCheckboxSelectMultipleWidget

    def label_from_instance(self, permission):
        return permission.name


class RoleForm(forms.ModelForm):
    """The form of a role. It offers the permissions of the record types, and keeps all others."""

    def clean_permissions(self):
        selected = Q(pk__in=self.cleaned_data["permissions"].values("pk"))
        if self.instance.pk:
            offered = self.fields["permissions"].queryset.order_by().values("pk")
            selected |= Q(pk__in=self.instance.permissions.exclude(pk__in=offered).order_by().values("pk"))
        return Permission.objects.filter(selected)


@admin.register(Group)
class RoleAdmin(DjangoGroupAdmin, PeopleAdmin):  # type: ignore[misc]
    """The program knows its roles by their names, so they keep them."""

    form = RoleForm
    icon = "groups"
    search_fields = ["name"]
    filter_horizontal = ()
    about = _(
        "The built-in roles also decide who reads drafts and restricted records, so they keep their names. "
        "A role that you add gives only the permissions that are ticked, and no access to drafts."
    )

    def get_fieldsets(self, request, obj=None):
        name = "built_in_name" if self.is_built_in(obj) else "name"
        return [(None, {"fields": [name, "permissions"], "description": self.about})]

    def get_readonly_fields(self, request, obj=None):
        return ["built_in_name"] if self.is_built_in(obj) else []

    @display(description=_("name"))
    def built_in_name(self, role):
        return str(role)

    def has_delete_permission(self, request, obj=None):
        return super().has_delete_permission(request, obj) and not self.is_built_in(obj)

    def is_built_in(self, role):
        return role is not None and role.name in set(Role)

    def formfield_for_manytomany(self, db_field, request, **kwargs):
        # Boxes, because in a list of several choices a click without Ctrl clears all others.
        types = ContentType.objects.get_for_models(*(resource.model for resource in registry)).values()
        offered = Permission.objects.filter(content_type__in=types).select_related("content_type")
        return PermissionsField(offered, required=False, label=_("Permissions"))


@admin.register(Token)
class TokenAdmin(PeopleAdmin):
    icon = "key"
    list_display = ["token_key", "name", "user", "created", "expiry"]
    list_references = ["user"]
    search_fields = ["name", "user"]
    fields = readonly_fields = ["user", "name", "token_key", "created", "expiry"]
    added_elsewhere = _("Users create tokens on the page My account."), "account"

    def has_add_permission(self, request):
        return False  # the API creates tokens, because their secret is shown only once, to the owner
