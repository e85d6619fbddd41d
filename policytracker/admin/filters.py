"""The filters that a list offers: filters of the API with a title, their values, and a group. The API's filters select the rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from django import forms
from django.contrib.admin import ListFilter
from django.contrib.admin.options import IncorrectLookupParameters
from django.db import models
from django.http import HttpRequest
from django.utils.functional import keep_lazy_text
from django.utils.text import capfirst, format_lazy
from django.utils.translation import gettext_lazy as _

from policytracker.admin.theme import apply_theme
from policytracker.representation.values import iso_date
from policytracker.resources import ReadContext

YES_NO = [("true", _("Yes")), ("false", _("No"))]
ON = "on"  # the URL parameter of a list that shows the values of a past date


def read_context(request: HttpRequest) -> ReadContext:
    """The reader of a list, and the date that it is about. Raises IncorrectLookupParameters."""
    context = ReadContext.of(request.user)
    try:
        return replace(context, on=iso_date(request.GET[ON], context)) if request.GET.get(ON) else context
    except ValueError as error:
        raise IncorrectLookupParameters(str(error)) from error


class OfferedFilter(ListFilter):
    """A filter of the API that a list offers. `group` is the title under which the page of filters shows it."""

    parameter_name = ""
    group: Any = ""

    def __init__(self, request, params, model, model_admin):
        super().__init__(request, params, model, model_admin)
        self.model, self.filter = model, model_admin.filter_set[self.parameter_name]

    def has_output(self):
        return True

    def queryset(self, request, rows):
        return rows  # RecordChangeList has applied all filters

    def options(self, request: HttpRequest) -> list[tuple[str, Any]]:
        """The values to choose from, with their labels; none if the value is typed."""
        return []


class ChoiceFilter(OfferedFilter):
    """A filter with a list of values to choose from.

    `value_choices` is that list, or a function of the request that returns it. The default is the choices of the field.
    """

    value_choices: Any = None

    def options(self, request):
        if self.value_choices is not None:
            return list(self.value_choices(request) if callable(self.value_choices) else self.value_choices)
        if self.filter.schema["type"] == "boolean":
            return YES_NO
        return list(self.model._meta.get_field(self.parameter_name).choices)


class TextFilter(OfferedFilter):
    """A filter whose value is typed, such as a date."""


class ValuesOn(forms.Form):
    on = forms.CharField(label=_("Values on"), required=False)


class OnFilter(TextFilter):
    """The date of a list. The page restores the rows to it before any filter applies, because filters would use the values of today.

    Its field is above the list (admin/past/values_on.html), not among the filters.
    """

    title, parameter_name = _("Values on"), ON

    def __init__(self, request, params, model, model_admin):
        super().__init__(request, params, model, model_admin)
        self.value = request.GET.get(ON, "")

    @property
    def field(self) -> Any:
        """The input, with its label."""
        return apply_theme(ValuesOn({ON: self.value}, label_suffix=""))[ON]


class RelatedFilter(OfferedFilter):
    """A filter by another record, to which the field leads."""

    field: models.Field

    @property
    def path(self) -> str:
        """The path from a row of the list to the other record; "" if it is neither a field of the row nor of one next to it."""
        if issubclass(self.model, self.field.model):
            return self.field.name
        relations: Iterator[Any] = (field for field in self.model._meta.get_fields() if field.is_relation)
        return next((f"{relation.name}__{self.field.name}" for relation in relations if relation.related_model is self.field.model), "")


lazy_capfirst = keep_lazy_text(capfirst)


def filter_title(name: str, title: Any) -> Any:
    return title or lazy_capfirst(_(name.replace("_", " ")))


def choice_filter(name: str, title: Any = "", choices: Any = None) -> type[ChoiceFilter]:
    """A filter with the API's filter `name` and these values, or those of the field."""
    value_choices = staticmethod(choices) if callable(choices) else choices
    attributes = {"parameter_name": name, "title": filter_title(name, title), "value_choices": value_choices}
    return type(ChoiceFilter.__name__, (ChoiceFilter,), attributes)


def related_filter(name: str, field: models.Field, title: Any = "") -> type[RelatedFilter]:
    """A filter with the API's filter `name`. `field` is a foreign key to the model of the records to choose from."""
    return type(RelatedFilter.__name__, (RelatedFilter,), {"parameter_name": name, "title": filter_title(name, title), "field": field})


def text_filter(name: str, title: Any) -> type[TextFilter]:
    """A filter with the API's filter `name` and a typed value."""
    return type(TextFilter.__name__, (TextFilter,), {"parameter_name": name, "title": title})


def missing_filter(name: str, title: Any) -> type[ChoiceFilter]:
    """A filter for records in which the field is empty (Yes) or filled (No)."""
    return choice_filter(f"{name}__empty", title)


def date_range_filters(name: str, label: Any) -> list[type[TextFilter]]:
    """Two filters: first and last date, each a day, a month or a year. `label` names the date, such as "Due date"."""
    return [
        text_filter(f"{name}__from", format_lazy(_("{label} from"), label=label)),
        text_filter(f"{name}__to", format_lazy(_("{label} until"), label=label)),
    ]


def grouped(title: Any, filters: Iterable[type[OfferedFilter]]) -> list[type[OfferedFilter]]:
    """The filters as a group of the page of filters, under this title."""
    return [type(offered.__name__, (offered,), {"group": title}) for offered in filters]
