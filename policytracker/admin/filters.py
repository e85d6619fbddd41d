"""Filters of lists, made of the questions that the API's lists answer."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.db import models
from unfold.contrib.filters.admin import DropdownFilter
from unfold.contrib.filters.forms import AutocompleteDropdownForm, SearchForm

from policytracker.admin.querysets import visible
from policytracker.resources import ReadContext


class ChoiceFilter(DropdownFilter):
    """One question of the API's grammar, with the answers to choose from."""

    answers: Any = None

    def __init__(self, request, params, model, model_admin):
        self.question = model_admin.filter_set[self.parameter_name]
        given = params.get(self.parameter_name, [])
        self.given = [value for value in (given if isinstance(given, list) else [given]) if value]
        super().__init__(request, params, model, model_admin)

    def lookups(self, request, model_admin):
        if self.answers is not None:
            return list(self.answers(request) if callable(self.answers) else self.answers)
        if self.question.schema["type"] == "boolean":
            return [("true", "Yes"), ("false", "No")]
        return list(model_admin.model._meta.get_field(self.parameter_name).choices)

    def queryset(self, request, rows):
        if not self.given:
            return rows
        try:
            return self.question.apply(rows, self.given, ReadContext.of(request.user))
        except ValueError as error:
            raise IncorrectLookupParameters(str(error)) from error


class TextFilter(ChoiceFilter):
    """A question whose answer is typed, such as a day."""

    form_class = SearchForm

    def lookups(self, request, model_admin):
        return [("", "")]

    def choices(self, changelist):
        name = self.parameter_name
        yield {"form": self.form_class(name, f"By {self.title}", data={name: self.value()})}


class RelatedFilter(ChoiceFilter):
    """A question about a record, which is found by typing part of its name."""

    field: models.Field
    form_class = AutocompleteDropdownForm

    def __init__(self, request, params, model, model_admin):
        self.request, self.page = request, model_admin
        super().__init__(request, params, model, model_admin)

    def lookups(self, request, model_admin):
        return [("", "")]

    def choices(self, changelist):
        name = self.parameter_name
        form = self.form_class(self.request, name, f"By {self.title}", (), self.field, self.page, data={name: self.chosen()})
        form.fields[name].queryset = visible(self.field.related_model, self.request.user)
        yield {"form": form}

    def chosen(self) -> int | None:
        """The id of the record, which the address gives by id, as the list of names does, or by key."""
        value, rows = self.value(), visible(self.field.related_model, self.request.user)
        if value and value.isascii() and value.isdigit() and len(value) < 19 and rows.filter(pk=value).exists():
            return int(value)
        return self.question.parse(value, ReadContext.of(self.request.user)) if value else None

    def queryset(self, request, rows):
        try:
            found = self.chosen()
        except ValueError as error:
            raise IncorrectLookupParameters(str(error)) from error
        return self.question.filter_rows(rows, [found], ReadContext.of(request.user)) if found else rows


def choice_filter(name: str, title: str = "", answers: Any = None) -> type[ChoiceFilter]:
    """A filter by the question of this name."""
    kept = staticmethod(answers) if callable(answers) else answers
    return type(ChoiceFilter.__name__, (ChoiceFilter,), {"parameter_name": name, "title": title or name.replace("_", " "), "answers": kept})


def related_filter(name: str, field: models.Field, title: str = "") -> type[RelatedFilter]:
    """A filter by the question of this name, which is about the kind of record that `field` refers to."""
    return type(
        RelatedFilter.__name__, (RelatedFilter,), {"parameter_name": name, "title": title or name.replace("_", " "), "field": field}
    )


def text_filter(name: str, title: str) -> type[TextFilter]:
    """A filter by the question of this name, the answer to which is typed."""
    return type(TextFilter.__name__, (TextFilter,), {"parameter_name": name, "title": title})


def date_range_filters(name: str) -> list[type[TextFilter]]:
    """Two filters by a date: from when on, and until when; each may be a day, a month or a year."""
    said = name.replace("_", " ")
    return [text_filter(f"{name}__from", f"{said}, from"), text_filter(f"{name}__to", f"{said}, to")]
