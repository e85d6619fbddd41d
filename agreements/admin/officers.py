"""The party of a party officer: a field on the page of the user, and a page of its own."""

from django import forms
from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from agreements.models import Party, PartyOfficer
from policytracker.accounts.models import User
from policytracker.admin import PeopleAdmin, Reference, UserAdmin, display, label_html
from policytracker.admin.people import AccountForm
from policytracker.records.access import Role


class OfficerForm(forms.ModelForm):
    """Part of the form of a user: the party of a party officer."""

    party = forms.ModelChoiceField(Party.objects.all(), required=False, help_text=_("Required for a party officer."))

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if "party" in self.fields:
            self.fields["party"].widget = Reference(PartyOfficer._meta.get_field("party"), admin.site)
            self.fields["party"].widget.choices = self.fields["party"].choices
            self.initial.setdefault("party", getattr(getattr(self.instance, "office", None), "party_id", None))
            if not Party.objects.exists():
                link = '{} <a href="{}" class="underline">{}</a>'
                own = self.fields["party"].help_text, reverse("admin:agreements_party_add"), _("Add party")
                self.fields["party"].help_text = format_html(link, *own)

    def clean(self):
        values = super().clean() or self.cleaned_data
        if "party" in values and "groups" in values:
            is_officer = any(group.name == Role.OFFICER for group in values["groups"])
            if is_officer and not values["party"]:
                self.add_error("party", forms.ValidationError(_("Select the party that this officer represents."), code="required"))
            elif values["party"] and not is_officer:
                message = _("Only a party officer represents a party. Clear the party or add the role.")
                self.add_error("party", forms.ValidationError(message, code="not_an_officer"))
        return values


class UserForm(OfficerForm, AccountForm):
    pass


class NewUserForm(OfficerForm, UserAdmin.add_form):
    pass


admin.site.unregister(User)


@admin.register(User)
class UserWithPartyAdmin(UserAdmin):
    form, add_form = UserForm, NewUserForm
    list_display = [*UserAdmin.list_display[:4], "party", *UserAdmin.list_display[4:]]
    fieldsets = [
        UserAdmin.fieldsets[0],
        (_("Access"), {"fields": ["groups", "party", ("is_active", "is_superuser")]}),
        *UserAdmin.fieldsets[2:],
    ]
    add_fieldsets = [UserAdmin.add_fieldsets[0], (_("Access"), {"fields": ["groups", "party"]}), *UserAdmin.add_fieldsets[2:]]

    def get_queryset(self, request):
        return super().get_queryset(request).select_related("office__party")

    @display(description=_("party"))
    def party(self, user):
        if office := getattr(user, "office", None):
            return office.party
        if any(group.name == Role.OFFICER for group in user.groups.all()):
            return label_html(_("No party"), "warning")
        return None

    def get_search_results(self, request, queryset, search_term):
        rows, may_have_duplicates = super().get_search_results(request, queryset, search_term)
        for_officer = request.GET.get("model_name") == PartyOfficer._meta.model_name  # asked by the form of a party officer
        return (rows.filter(groups__name=Role.OFFICER) if for_officer else rows), may_have_duplicates

    def save_related(self, request, form, formsets, change):
        super().save_related(request, form, formsets, change)
        if party := form.cleaned_data.get("party"):
            PartyOfficer.objects.update_or_create(user=form.instance, defaults={"party": party})
        else:
            PartyOfficer.objects.filter(user=form.instance).delete()


class OfficeForm(forms.ModelForm):
    """The party of a user who has the role already."""

    def clean_user(self):
        user = self.cleaned_data["user"]
        if Role.OFFICER not in user.roles:
            raise forms.ValidationError(
                _("Only a party officer represents a party. Add the role on the page of the user first."), code="not_an_officer"
            )
        return user


@admin.register(PartyOfficer)
class PartyOfficerAdmin(PeopleAdmin):
    form = OfficeForm
    icon = "badge"
    list_display = ["user", "party"]
    list_references = ["user", "party"]
    list_before_template = "admin/officers.html"
    search_fields = ["user", "party"]

    def get_autocomplete_fields(self, request):
        return ["user", "party"]
