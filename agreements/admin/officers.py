"""The party of a party officer: a field on the page of the user, and a page of its own."""

from django import forms
from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from agreements.models import Party, PartyOfficer
from policytracker.admin import PeopleAdmin, Reference, UserAdmin, display
from policytracker.admin.people import AccountForm
from policytracker.models import User
from policytracker.records.access import Role


class OfficerForm(forms.ModelForm):
    """Part of the form of a user: the party of a party officer."""

    party = forms.ModelChoiceField(Party.objects.all(), required=False, help_text=_("The party that a party officer represents."))

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if "party" in self.fields:
            self.fields["party"].widget = Reference(PartyOfficer._meta.get_field("party"), admin.site)
            self.fields["party"].widget.choices = self.fields["party"].choices
            self.initial.setdefault("party", getattr(getattr(self.instance, "office", None), "party_id", None))

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
        office = getattr(user, "office", None)
        return office.party if office else None

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
    search_fields = ["user", "party"]

    def get_autocomplete_fields(self, request):
        return ["user", "party"]
