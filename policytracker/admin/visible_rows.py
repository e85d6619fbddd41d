"""What pages and inlines share: rows that the user may read, the form of each field, and the way back to the page before."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _

from policytracker.admin.forms import Day, Duration, LinesField, Number, PartialDate, Reference, VerbatimField
from policytracker.admin.querysets import visible
from policytracker.admin.theme import (
    UnfoldAdminDateWidget,
    UnfoldAdminFileFieldWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)
from policytracker.edtf import DURATION, EdtfField
from policytracker.records.fields import Text
from policytracker.records.models import Record

RETURN_TO = "return_to"  # the URL parameter with the page to which the user returns after saving


def return_address(request: HttpRequest) -> str:
    """The page of this host to which the user returns after saving, or ""."""
    address = request.GET.get(RETURN_TO, "")
    return address if url_has_allowed_host_and_scheme(address, allowed_hosts=None) else ""


def form_for_request(form: type, request: HttpRequest, serializer: type) -> type:
    """A subclass of the form with the request, and with the serializer that names the fields of the history."""
    return type(form.__name__, (form,), {"request": request, "serializer": serializer})


class NewFile(UnfoldAdminFileFieldWidget):
    """Uploads a file. It has no link to the stored file, which is served by the API only, with its permission check."""

    def is_initial(self, value):
        return False


class VisibleRowsMixin:
    """Shared by pages and inlines: all querysets start from the rows that are visible to the user."""

    empty_value_display = '<span class="pt-none">-</span>'  # narrow windows leave out the cell

    formfield_overrides = {
        models.URLField: {"assume_scheme": "https"},
        models.FileField: {"widget": NewFile},
        Text: {"form_class": VerbatimField, "widget": UnfoldAdminTextareaWidget(attrs={"rows": 4})},
        ArrayField: {"form_class": LinesField, "widget": UnfoldAdminTextareaWidget(attrs={"rows": 4})},
        models.DateField: {"form_class": Day},
        models.DecimalField: {"form_class": Number},
        EdtfField: {"form_class": PartialDate, "widget": UnfoldAdminDateWidget},
    }

    def get_queryset(self, request):
        rows = self.model.objects.visible_to(request.user) if issubclass(self.model, Record) else self.model._default_manager.all()
        return rows.order_by(*(self.get_ordering(request) or self.model._meta.ordering))

    def get_field_queryset(self, db, db_field, request):
        return visible(db_field.remote_field.model, request.user)

    def get_autocomplete_fields(self, request):
        return [f.name for f in (*self.opts.fields, *self.opts.many_to_many) if f.is_relation and f.editable]

    def formfield_for_choice_field(self, db_field, request, **kwargs):
        # The theme selects the first code of a field without a default, which would be stored unnoticed.
        if "choices" not in kwargs:
            no_default = db_field.blank or not db_field.has_default()
            kwargs["choices"] = db_field.get_choices(include_blank=no_default, blank_choice=[("", _("Select value"))])
        return super().formfield_for_choice_field(db_field, request, **kwargs)

    def formfield_for_foreignkey(self, db_field, request, **kwargs):
        return super().formfield_for_foreignkey(db_field, request, **{"widget": Reference(db_field, self.admin_site)} | kwargs)

    def formfield_for_dbfield(self, db_field, request, **kwargs):
        if DURATION in getattr(db_field, "validators", ()):
            kwargs |= {"form_class": Duration, "widget": UnfoldAdminTextInputWidget(attrs={"placeholder": _("such as 6 months")})}
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and hasattr(field.widget, "can_delete_related"):
            field.widget.can_delete_related = False
        return field
