"""The theme (django-unfold): the only module that imports it.

It has the names of the theme that other modules use, its class lists, and its internals that are replaced. They are those of the
supported version. docs/code.md says how to upgrade, and what a test compares then.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

from csp.constants import SELF, UNSAFE_EVAL, UNSAFE_INLINE
from django import forms
from django.contrib import admin
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse_lazy
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeData, mark_safe
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from unfold import forms as unfold_forms
from unfold.admin import ModelAdmin, TabularInline
from unfold.contrib.filters.admin import DropdownFilter
from unfold.contrib.filters.forms import AutocompleteDropdownForm, SearchForm
from unfold.decorators import display
from unfold.fields import UnfoldAdminReadonlyField
from unfold.forms import AdminPasswordChangeForm, AuthenticationForm, UserChangeForm, UserCreationForm
from unfold.templatetags import unfold_list
from unfold.views import ChangeList
from unfold.widgets import (
    BASE_INPUT_CLASSES,
    CHECKBOX_CLASSES,
    SELECT_CLASSES,
    TEXTAREA_CLASSES,
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminDateWidget,
    UnfoldAdminFileFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from policytracker.admin.forms import DateInput, Reference
from policytracker.admin.history import display_value
from policytracker.edtf import DURATION, EdtfField, date_in_words

__all__ = [
    "AdminPasswordChangeForm",
    "AuthenticationForm",
    "AutocompleteDropdownForm",
    "ChangeList",
    "DropdownFilter",
    "ModelAdmin",
    "SearchForm",
    "TabularInline",
    "UnfoldAdminCheckboxSelectMultipleWidget",
    "UnfoldAdminDateWidget",
    "UnfoldAdminFileFieldWidget",
    "UnfoldAdminTextInputWidget",
    "UnfoldAdminTextareaWidget",
    "UserChangeForm",
    "UserCreationForm",
    "display",
]

SUPPORTED = "0.91"


def check_version(installed: str) -> None:
    """Raises ImproperlyConfigured for a version of the theme whose internals are not known."""
    if not installed.startswith(f"{SUPPORTED}."):
        message = "The admin supports django-unfold %s, but %s is installed. See “Upgrading the theme” in docs/code.md."
        raise ImproperlyConfigured(message % (SUPPORTED, installed))


check_version(version("django-unfold"))


# ---- replaced internals


def sized(text: Any, width: str) -> str:
    """A text whose column has a width of the style sheet, such as "narrow", "wide" or "nowrap"."""
    return format_html('<span class="pt-{}">{}</span>', width, text)


def date_html(text: str) -> str:
    """A date on one line; an empty text without a date."""
    return sized(text, "nowrap") if text else ""


def is_date(field: Any) -> bool:
    """Whether the field has a date, exact or partial, without a time."""
    return isinstance(field, EdtfField | models.DateField) and not isinstance(field, models.DateTimeField)


class ReadonlyField(UnfoldAdminReadonlyField):
    """A read-only value as people read it. A reference is a link only if the user may view the page."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.field["label"] = capfirst(self.field["label"])  # narrow windows show it, where the theme would capitalize each word

    def contents(self):
        contents = self.value_html()
        width = getattr(self.model_admin, "widths", {}).get(self.field["name"])
        return sized(contents, width) if width else contents

    def value_html(self):
        field, _attribute, value = self.resolved_field or (None, None, None)
        if isinstance(field, models.ManyToManyField) and (records := list(value.all())):
            return format_html_join(", ", "{}", [(self.get_admin_url(field.remote_field, record),) for record in records])
        if isinstance(field, models.DecimalField) and value is not None:
            return f"{value.normalize():,f}"
        if isinstance(value, bool) or (value and (isinstance(field, EdtfField) or DURATION in getattr(field, "validators", ()))):
            text = display_value(field, value)
        else:
            text = super().contents()
        return date_html(text) if is_date(field) else text

    def get_admin_url(self, remote_field, remote_obj):
        page, request = admin.site._registry.get(remote_field.model), getattr(self.form, "request", None)
        if page and request and not page.has_view_permission(request):
            return str(remote_obj)
        return super().get_admin_url(remote_field, remote_obj)


def result_headers(cl: ChangeList, make: Any = unfold_list.result_headers) -> list[dict[str, Any]]:
    """The headers of a list. The theme would make them again for each row, where they are the labels of a narrow window."""
    if not hasattr(cl, "headers"):
        cl.headers = list(make(cl))
        for header in cl.headers:
            if not isinstance(header["text"], SafeData):  # the box that selects all rows
                header["text"] = capfirst(header["text"])
    return cl.headers


def display_for_field(value: Any, field: Any, empty: str, display: Any = unfold_list.display_for_field) -> str:
    """The value of a field in a list. A date is in words, and on one line."""
    text = display(date_in_words(value) if isinstance(field, EdtfField) else value, field, empty)
    return date_html(text) if value and is_date(field) else text


def demo_label() -> str:
    """The label of demonstration data."""
    return format_html('<span class="pt-label pt-demo">{}</span>', _("Demo"))


def items_for_result(cl: ChangeList, result: Any, form: Any, make: Any = unfold_list.items_for_result) -> Iterator[str]:
    """The cells of a row. The first one with a link has a label if the row is demonstration data."""
    is_labelled = result.pk not in getattr(cl, "fictional", ())
    for cell in make(cl, result, form):
        if not is_labelled and "<a " in cell:
            is_labelled, end = True, cell.rindex("</")
            cell = format_html("{} {}{}", mark_safe(cell[:end]), demo_label(), mark_safe(cell[end:]))  # noqa: S308 - escaped by the theme
        yield cell


unfold_forms.UnfoldAdminReadonlyField = ReadonlyField
unfold_list.items_for_result = items_for_result
unfold_list.result_headers, unfold_list.display_for_field = result_headers, display_for_field
# The theme writes about 30 classes into each cell, most of the bytes of a list. One of ours replaces them.
unfold_list.ROW_CLASSES[:] = ["pt-cell"]
unfold_list.CHECKBOX_CLASSES[:] = ["pt-cell", "action-checkbox"]
unfold_list.LINK_CLASSES[:] = []


def relax_csp(get_response):
    """Middleware: allow eval and inline styles on admin pages only, because the scripts of the theme need them."""
    prefix = reverse_lazy("admin:index")

    def middleware(request: HttpRequest):
        response = get_response(request)
        if request.path.startswith(str(prefix)):
            response._csp_replace = {"script-src": [SELF, UNSAFE_EVAL], "style-src": [SELF, UNSAFE_INLINE]}
        return response

    return middleware


# ---- the look of plain forms and labels

INPUT_CLASSES = " ".join(BASE_INPUT_CLASSES)
WIDGET_CLASSES: dict[type, str] = {
    forms.Textarea: " ".join(TEXTAREA_CLASSES),
    forms.Select: " ".join(SELECT_CLASSES),
    forms.CheckboxInput: " ".join(CHECKBOX_CLASSES),
    DateInput: f"vDateField {INPUT_CLASSES}",  # the class of fields with a date picker
}


def apply_theme(form: forms.Form, *nested: forms.Form) -> forms.Form:
    """Add the CSS classes of the theme to a plain form and to the forms that it shows. Returns the form."""
    for part in (form, *nested):
        for name, field in part.fields.items():
            if name in getattr(part, "autocomplete", {}):
                field.widget = Reference(part.autocomplete[name], admin.site)
                field.widget.choices = field.choices
            else:
                field.widget.attrs["class"] = WIDGET_CLASSES.get(type(field.widget), INPUT_CLASSES)
    return form


def select_widget() -> forms.Select:
    """A plain select in the style of the theme, for a short list of choices."""
    return UnfoldAdminSelectWidget()


def label_html(text: Any, colour: str) -> str:
    """A coloured label."""
    return render_to_string("unfold/helpers/label.html", {"text": text, "type": colour})
