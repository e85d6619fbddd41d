"""The page *Changes*: what users did, one line for each action, with links to the pages of the records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from policytracker.accounts.authors import author
from policytracker.accounts.models import User
from policytracker.admin.forms import Day
from policytracker.admin.history import channel_label, display_value
from policytracker.admin.menu import Page, add_page
from policytracker.admin.querysets import id_from_url, visible
from policytracker.admin.theme import apply_theme
from policytracker.admin.tiles import records
from policytracker.history.actions import Action, changes_of_action, newest_actions
from policytracker.history.feed import ChangeEntry, Feed, Filters
from policytracker.records.access import EDITORS, Reader
from policytracker.records.models import Record
from policytracker.representation.keyset import InvalidCursor
from policytracker.representation.serializers import declared_fields
from policytracker.resources import ReadContext, registry, today

OPERATIONS = {"create": _("Created"), "update": _("Changed"), "delete": _("Deleted")}
CHANNELS = {"admin": ["admin"], "api": ["api"], "import": ["import", "data set"], "command": ["command", "shell"]}
SHOWN_ACTIONS = 30
SHOWN_ON_HOME = 10
SHOWN_OF_SCOPE = 3  # on the page of a record whose parts they concern
SHOWN_CHANGES = 20  # of one action
SHOWN_ON_PAGE = 50  # of the page of an action
SHOWN_PARTS = 3  # of the sentence about an action
SHOWN_FIELDS = 3
MAX_VALUE = 60  # characters
MAX_TITLE = 90


def may_read(request: HttpRequest) -> bool:
    """Whether the user has a role."""
    return bool(Reader.of(request.user).roles)


add_page(Page(_("Changes"), "recent_changes", "history", 6, may_open=may_read, guides=("time#the-page-changes", "time#in-the-admin")))


# ---- the filters


class ChangesForm(forms.Form):
    """The filters of the page. Empty fields do not filter."""

    WEEK, MONTH, VISIT, DATES = "week", "month", "visit", "dates"

    period = forms.ChoiceField(
        required=False,
        label=_("Period"),
        choices=[
            ("", _("All")),
            (WEEK, _("This week")),
            (MONTH, _("This month")),
            (VISIT, _("Since my last visit")),
            (DATES, _("From – until")),
        ],
    )
    since = Day(required=False, label=_("From"))
    until = Day(required=False, label=_("Until"))
    user = forms.CharField(required=False, max_length=150, label=_("Person"))
    resource = forms.ChoiceField(required=False, label=_("Record type"))
    channel = forms.ChoiceField(
        required=False,
        label=_("Channel"),
        choices=[("", _("All")), *((name, channel_label(name)) for name in CHANNELS)],
    )
    reason = forms.CharField(required=False, max_length=200, label=_("Reason contains"))

    def __init__(self, query: Mapping[str, str], user: Any):
        scope, name, self.reader, self.previous_login = registry.scope.model, registry.scope_name, Reader.of(user), user.previous_login
        data = {field: query.get(field, "") for field in [*self.base_fields, name]}
        data[name] = id_from_url(scope, data[name], user)
        if data["period"] not in ("", self.DATES):
            data["since"] = data["until"] = ""  # the period has its own
        super().__init__(data)
        self.fields[name] = forms.ModelChoiceField(visible(scope, user), required=False, label=capfirst(scope._meta.verbose_name))
        self.order_fields(["period", "since", "until", name])
        self.autocomplete = {name: reference_to_scope()}
        types = sorted((str(capfirst(each.model._meta.verbose_name_plural)), each.address) for each in registry.addressed)
        self.fields["resource"].choices = [("", _("All")), *((address, name) for name, address in types)]
        if not self.reader.sees_people:
            del self.fields["user"]
        elif self.reader.roles & EDITORS:
            self.fields["user"].widget.attrs["list"] = "people"

    def clean_user(self) -> str:
        name = self.cleaned_data["user"]
        try:
            return author(name, ReadContext.of(self.reader)) if name else ""
        except ValueError as error:
            raise ValidationError(str(error)) from error

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        first, last = values.get("since"), values.get("until")
        if first and last and first > last:
            self.add_error("until", ValidationError(_("The period ends before it begins."), "invalid"))
        return values

    @property
    def is_first_visit(self) -> bool:
        return self.cleaned_data["period"] == self.VISIT and self.previous_login is None

    def filters(self) -> Filters:
        """The filters of the feed. `until` is included here, as people expect of a period of days."""
        values = self.cleaned_data
        begin = {
            self.WEEK: lambda: midnight(today() - timedelta(today().weekday())),
            self.MONTH: lambda: midnight(today().replace(day=1)),
            self.VISIT: lambda: self.previous_login,
        }.get(values["period"], lambda: midnight(values["since"]))
        last = values["until"]
        return Filters(
            since=begin(),
            until=midnight(last + timedelta(1)) if last and last < date.max else None,
            scope=values[registry.scope_name],
            users=[values["user"]] if values.get("user") else [],
            models=[registry.at(values["resource"]).model] if values["resource"] else [],
            channels=CHANNELS.get(values["channel"], []),
            reason=values["reason"],
        )

    def query(self, **more: str) -> str:
        """The query string of these filters, and of more parameters. Without the `?`."""
        return urlencode({name: value for name, value in ({name: self[name].value() for name in self.fields} | more).items() if value})


def reference_to_scope() -> Any:
    """A foreign key to the scope, by which the field that searches finds its records."""
    scope = registry.scope.model
    keys = (field for resource in registry for field in resource.model._meta.fields)
    return next(field for field in keys if field.related_model is scope)


def midnight(day: date | None) -> datetime | None:
    return day and datetime.combine(day, time(), UTC)


# ---- the lines


@dataclass(frozen=True)
class ChangeLine:
    """A change as the page shows it. `url` is empty for a deleted record."""

    operation: Any
    kind: str
    title: str
    url: str
    fields: list[tuple[str, str]]
    more_fields: int


@dataclass(frozen=True)
class ActionLine:
    """An action as the page shows it. `user` is empty if the reader may not see people. `url` is the page of all its changes."""

    at: datetime | None
    user: str
    channel: str
    reason: str
    summary: str
    changes: list[ChangeLine]
    number: int
    more: bool
    url: str


def lines(actions: Sequence[Action], user: Any, shown: int = SHOWN_CHANGES) -> list[ActionLine]:
    """The lines of actions, each with its first changes. One query for the records of each type."""
    ids: dict[type[Record], set[int]] = defaultdict(set)
    for action in actions:
        for entry in action.entries:
            ids[entry.model].add(entry.pk)
    found = {
        (model, pk): record
        for model, pks in ids.items()
        for pk, record in visible(model, user).select_related(*relations_of_label(model)).in_bulk(pks).items()
    }
    return [action_line(action, found, shown) for action in actions]


def relations_of_label(model: type[Record]) -> list[str]:
    """The records that a label names: parents and others, and what the labels of the parents name."""
    parents = {name: model._meta.get_field(name).related_model for name in model.access_parents}
    return [*parents, *model.label_relations, *(f"{name}__{other}" for name, parent in parents.items() for other in parent.label_relations)]


def action_line(action: Action, found: Mapping[Any, Record], shown: int) -> ActionLine:
    entries, data = action.entries, action.entries[0].data
    era, txid = action.transaction
    reasons = dict.fromkeys(entry.data["reason"] for entry in entries if entry.data["reason"] != entry.data["channel"])
    return ActionLine(
        at=parse_datetime(data["at"]),
        user=data["user"] or "",
        channel=channel_label(data["channel"]),
        reason="; ".join(filter(None, reasons)),
        summary=" · ".join(parts(action, found)),
        changes=[change_line(entry, found.get((entry.model, entry.pk))) for entry in entries[:shown]],
        number=action.number,
        more=action.more,
        url=f"?action={era}-{txid}",
    )


def parts(action: Action, found: Mapping[Any, Record]) -> Iterable[str]:
    """The parts of the sentence about an action: each names one record, or the number of records of a type."""
    entries = action.entries
    created = {(entry.model, entry.pk) for entry in entries if entry.data["operation"] == "create"}
    groups: dict[Any, dict[int, ChangeEntry]] = defaultdict(dict)
    edited: dict[Any, dict[str, None]] = defaultdict(dict)
    for entry in entries:
        operation = entry.data["operation"]
        if operation != "update" or (entry.model, entry.pk) not in created:
            groups[operation, entry.model][entry.pk] = entry
            edited[operation, entry.model] |= dict.fromkeys(entry.edited)
    for (operation, model), of_type in list(groups.items())[:SHOWN_PARTS]:
        names = [str(labels_of(model, name)) for name in edited[operation, model]] if operation == "update" else []
        (pk, entry), *others = of_type.items()
        record = found.get((model, pk))
        one = shortened(record.full_label() if record else entry.data["key"], MAX_TITLE)
        number = action.number if len(of_type) == len(entries) else len(of_type)
        what = f"{number} {records(model, number).lower()}" if others else one
        fields = f" ({', '.join(names).lower()})" if 0 < len(names) <= SHOWN_FIELDS else ""
        yield f"{OPERATIONS[operation]}: {what}{fields}"
    if len(groups) > SHOWN_PARTS or action.more or (len(entries) < action.number and len(groups) > 1):
        yield "…"


def change_line(entry: ChangeEntry, record: Record | None) -> ChangeLine:
    opts, changes = entry.model._meta, entry.data["changes"]
    fields = [(name, changes[name]["after"]) for name in entry.edited]
    return ChangeLine(
        operation=OPERATIONS[entry.data["operation"]],
        kind=str(opts.verbose_name),
        title=record.full_label() if record else entry.data["key"],
        url=reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[entry.pk]) if record else "",
        fields=[field_value(entry.model, name, value) for name, value in fields[:SHOWN_FIELDS]],
        more_fields=max(0, len(fields) - SHOWN_FIELDS),
    )


def stored_field(model: type[Record], name: str) -> Any:
    """The field of the model behind a field of the API."""
    return model._meta.get_field(declared_fields(registry.of(model).serializer)[name].source)


def labels_of(model: type[Record], name: str) -> Any:
    return stored_field(model, name).verbose_name


def field_value(model: type[Record], name: str, value: Any) -> tuple[str, str]:
    """The label of a field of the API, and its new value in short."""
    field = stored_field(model, name)
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(display_value(field, "" if value is None else value))
    return str(capfirst(field.verbose_name)), shortened(text, MAX_VALUE)


def shortened(text: str, maximum: int) -> str:
    return text if len(text) <= maximum else f"{text[: maximum - 1]}…"


# ---- the pages


def check_reader(request: HttpRequest) -> None:
    """Raises PermissionDenied for a user without a role."""
    if not may_read(request):
        raise PermissionDenied


def rendered(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    request.current_app = admin.site.name
    return TemplateResponse(request, "admin/changes.html", admin.site.each_context(request) | {"title": _("Changes")} | context)


def page(request: HttpRequest) -> HttpResponse:
    """The page *Changes*, or one action with all its changes. Other pages load their newest lines from it, with `newest`, last."""
    check_reader(request)
    context = ReadContext.of(request.user)
    if "action" in request.GET:
        return action_page(request, context)
    form = apply_theme(ChangesForm(request.GET, request.user))
    if "newest" in request.GET:
        filters = form.filters() if form.is_valid() else Filters()
        newest = newest_actions(Feed(context, filters), None, SHOWN_OF_SCOPE if filters.scope else SHOWN_ON_HOME)
        return rendered(request, {"actions": lines(newest.actions, request.user), "newest": True, "query": form.query()})
    form.fields[registry.scope_name].widget.placeholder = _("All")
    shown: dict[str, Any] = {"form": form, "query": "", "people": people(request.user)}
    if form.is_valid():
        feed = Feed(context, form.filters())
        try:
            newest = newest_actions(feed, request.GET.get("cursor"), SHOWN_ACTIONS)
        except InvalidCursor:
            shown["cursor_error"] = _("Invalid page link. Showing the first page.")
            newest = newest_actions(feed, None, SHOWN_ACTIONS)
        query = form.query()
        shown |= {"actions": lines(newest.actions, request.user), "query": query, "is_first_visit": form.is_first_visit}
        shown["older"] = f"?{form.query(cursor=newest.older)}" if newest.older else ""
    return rendered(request, shown)


def action_page(request: HttpRequest, context: ReadContext) -> HttpResponse:
    """All changes of one action, a page at a time."""
    era, _dash, txid = request.GET["action"].partition("-")
    if not all(part.isascii() and part.isdigit() and len(part) < 10 for part in (era, txid)):
        return rendered(request, {"actions": [], "action": True})
    feed = Feed(context, Filters(transaction=(int(era), txid)))
    try:
        entries, cursor = changes_of_action(feed, request.GET.get("cursor"), SHOWN_ON_PAGE)
    except InvalidCursor:
        entries, cursor = changes_of_action(feed, None, SHOWN_ON_PAGE)
    more = f"?{urlencode({'action': request.GET['action'], 'cursor': cursor})}" if cursor else ""
    action = [Action((int(era), txid), entries, len(entries))] if entries else []
    return rendered(request, {"actions": lines(action, request.user, SHOWN_ON_PAGE), "action": True, "older": more})


def people(user: Any) -> list[str]:
    """The names that the field *Person* offers. Readers and officers see too few people for a list."""
    return list(User.objects.order_by("username").values_list("username", flat=True)) if Reader.of(user).roles & EDITORS else []
