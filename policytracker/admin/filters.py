"""Filters of lists. They use the filters of the API, so that both give the same rows."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.db import models
from django.http import HttpRequest
from django.utils.functional import keep_lazy_text
from django.utils.text import capfirst, format_lazy
from django.utils.translation import gettext_lazy as _

from policytracker.admin.querysets import visible
from policytracker.admin.theme import AutocompleteDropdownForm, DropdownFilter, SearchForm
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


class ChoiceFilter(DropdownFilter):
    """A filter of the API with a list of values to choose from.

    `value_choices` is that list, or a function of the request that returns it. The default is the choices of the field.
    """

    value_choices: Any = None

    def __init__(self, request, params, model, model_admin):
        self.filter = model_admin.filter_set[self.parameter_name]
        values = params.get(self.parameter_name, [])
        self.values = [value for value in (values if isinstance(values, list) else [values]) if value]
        super().__init__(request, params, model, model_admin)

    def lookups(self, request, model_admin):
        if self.value_choices is not None:
            return list(self.value_choices(request) if callable(self.value_choices) else self.value_choices)
        if self.filter.schema["type"] == "boolean":
            return YES_NO
        return list(model_admin.model._meta.get_field(self.parameter_name).choices)

    @property
    def chosen(self) -> str:
        """The active values as people read them, "" if there are none."""
        labels = {str(value): str(label) for value, label in self.lookup_choices}
        return ", ".join(labels.get(value, value) for value in self.values)

    @property
    def api_values(self) -> list[str]:
        """The active values in the form of the API."""
        return self.values

    def choices(self, changelist):
        # The theme would label the field "By" and the title.
        choices = [self.all_option, *self.lookup_choices]
        name = self.parameter_name
        yield {"form": self.form_class(label=self.title, name=name, choices=choices, data={name: self.value()}, multiple=False)}

    def queryset(self, request, rows):
        if not self.values:
            return rows
        try:
            return self.filter.apply(rows, self.values, read_context(request))
        except ValueError as error:
            raise IncorrectLookupParameters(str(error)) from error


class TextFilter(ChoiceFilter):
    """A filter whose value is typed, such as a date."""

    form_class = SearchForm

    def lookups(self, request, model_admin):
        return [("", "")]

    def choices(self, changelist):
        name = self.parameter_name
        yield {"form": self.form_class(name, self.title, data={name: self.value()})}


class OnFilter(TextFilter):
    """The date of a list. The page restores the rows to it before any filter applies, because filters would use the values of today."""

    title, parameter_name = _("Values on"), ON

    def queryset(self, request, rows):
        return rows


class RelatedFilter(ChoiceFilter):
    """A filter by another record, which the user finds by typing part of its name."""

    field: models.Field
    form_class = AutocompleteDropdownForm

    def __init__(self, request, params, model, model_admin):
        self.request, self.page = request, model_admin
        super().__init__(request, params, model, model_admin)

    def lookups(self, request, model_admin):
        return [("", "")]

    def choices(self, changelist):
        name = self.parameter_name
        form = self.form_class(self.request, name, self.title, (), self.field, self.page, data={name: self.selected_id()})
        form.fields[name].queryset = visible(self.field.related_model, self.request.user)
        yield {"form": form}

    @property
    def chosen(self) -> str:
        return str(self.selected) if self.selected else ""

    @property
    def api_values(self) -> list[str]:
        return [str(getattr(self.selected, getattr(self.selected, "key", "username")))] if self.selected else []

    @cached_property
    def selected(self) -> models.Model | None:
        """The selected record."""
        selected = self.selected_id()
        return visible(self.field.related_model, self.request.user).filter(pk=selected).first() if selected else None

    def selected_id(self) -> int | None:
        """The id of the selected record. The URL has its id or its natural key. Raises ValueError."""
        value, rows = self.value(), visible(self.field.related_model, self.request.user)
        if value and value.isascii() and value.isdigit() and len(value) < 19 and rows.filter(pk=value).exists():
            return int(value)
        return self.filter.parse(value, read_context(self.request)) if value else None

    def queryset(self, request, rows):
        try:
            selected = self.selected_id()
        except ValueError as error:
            raise IncorrectLookupParameters(str(error)) from error
        return self.filter.filter_rows(rows, [selected], read_context(request)) if selected else rows


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
