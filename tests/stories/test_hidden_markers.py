"""No response shows a word that its reader may not read: every address of the API and every page of the admin, for each role.

An administrator writes records of every type, with a word of its own in each text, key, address, file name and change reason. A `Case`
says which roles may read the words of its records. Each role then asks for everything it can ask for, and every word in a body or a
header must be one that it may read. As a control, the administrator finds every word, and each role those that are open to it.

A new record type has to be written in `Register.write`; new fields and addresses are found by themselves.
"""

import io
import re
import zipfile
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml
from django.conf import settings
from django.contrib import admin
from django.core.files.base import ContentFile
from django.db import models
from django.test import Client, override_settings
from django.urls import reverse

from agreements.models import (
    AgreementRelation,
    Citation,
    Component,
    FactCheck,
    Participation,
    PartyOfficer,
    Source,
)
from agreements.models.agreements import Agreement
from policytracker.accounts.models import User
from policytracker.codes import CodeField, ForeignCode
from policytracker.edtf import EdtfField
from policytracker.records.changes import Change
from policytracker.records.context import change_context
from policytracker.representation.filters import names_people
from policytracker.representation.references import KeyField, KeyListField
from policytracker.representation.serializers import declared_fields
from policytracker.resources import registry
from recommendations.models import Addressee, Dependency, Evidence, Milestone, ProgressUpdate, Recommendation
from recommendations.progress import EvidenceRow, Report, report_progress
from tests.admin.page import add, change, changes, delete, history
from tests.admin.pages import tabs
from tests.api.client import Api
from tests.conftest import make_user
from tests.make import (
    make_action,
    make_agreement,
    make_commitment,
    make_component,
    make_condition,
    make_indicator,
    make_measurement,
    make_outcome,
    make_party,
    make_recommendation,
    make_source,
    number,
)

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
ROLES = ["anonymous", "reader", "party officer", "analyst", "reviewer", "administrator"]
ALL, ADMINISTRATOR = frozenset(ROLES), frozenset({"administrator"})
REVIEWERS = ADMINISTRATOR | {"reviewer"}
STAFF = REVIEWERS | {"analyst"}
WORD = re.compile(rb"zq\d+q", re.IGNORECASE)
COMMON = "commonword"  # in every text, to search for
NOT_TEXTS = (EdtfField, CodeField, ForeignCode)
OPEN_TYPES = {"parties", "sectors", "focus-areas"}  # every reader reads all of them
RESTRICTED, INTERNAL, DRAFT = {"visibility": "restricted"}, {"visibility": "internal"}, {"publication": "draft"}


# ---- the register


@dataclass
class Case:
    """Records whose words only some roles may read. If `cleaned`, the words are removed before the records are opened to all."""

    name: str
    readers: frozenset[str]
    access: dict[str, str] = field(default_factory=dict)
    cleaned: bool = False
    then: Callable[["Register", "Case"], None] = lambda register, case: None
    records: list[models.Model] = field(default_factory=list)


@dataclass
class Register:
    """What is written, by whom, and the place and readers of each word."""

    people: dict[str, User]
    other: Agreement  # without words, as is its recommendation: what records of all cases refer to
    earlier: Recommendation
    words: dict[str, tuple[str, frozenset[str]]] = field(default_factory=dict)
    typed: set[type] = field(default_factory=set)
    hidden: dict[str, str] = field(default_factory=dict)  # keys of restricted records, by the names of filters

    def word(self, case: Case, place: str) -> str:
        word = f"zq{len(self.words)}q"
        self.words[word] = (f"{case.name}: {place}", case.readers)
        return word

    def texts(self, case: Case, model: type[models.Model], only: Container[str] | None = None) -> dict[str, Any]:
        """A value with a word for each text field of the model."""
        values: dict[str, Any] = {}
        for f in model._meta.concrete_fields:
            is_text = isinstance(f, models.CharField | models.TextField) and not isinstance(f, NOT_TEXTS) and not f.choices
            if not is_text or not f.editable or f.name == "void_reason" or (only is not None and f.name not in only):
                continue
            if case.cleaned and isinstance(f, models.SlugField):  # a key stays
                values[f.name] = f"plain-{next(number)}"
                continue
            word = self.word(case, f"{model._meta.model_name}.{f.name}")
            url = f"https://example.org/{word}"
            values[f.name] = url if isinstance(f, models.URLField) else word if isinstance(f, models.SlugField) else f"{word} {COMMON}"
        self.typed.add(model)
        return values

    def write(self, case: Case) -> None:
        """A record of every type, each in a transaction with a reason."""
        seen: list[models.Model] = []

        def made(model: type[models.Model], make: Callable, *args, **values) -> Any:
            texts = self.texts(case, model)
            with change_context(self.people["administrator"], self.word(case, f"reason of {model._meta.model_name}"), "api"):
                record = make(*args, **texts | values)
            seen.append(record)
            return record

        gbr = make_party("GBR")
        source = made(Source, make_source, **case.access)
        if not case.cleaned:
            with change_context(self.people["administrator"]):
                source.file.save(f"{self.word(case, 'source.file')}.txt", ContentFile(b"x"))
        agreement = made(Agreement, make_agreement, **case.access)
        cites = {"source": source}
        made(Participation, Participation.objects.create, agreement=agreement, party=gbr, role="party")
        made(
            AgreementRelation,
            AgreementRelation.objects.create,
            from_agreement=agreement,
            kind="builds_on",
            to_agreement=self.other,
            **cites,
        )
        component = made(Component, make_component, agreement, **case.access)
        for kind, make, args in [
            ("treaty-actions", make_action, (agreement, "announcement")), ("entry-into-force-conditions", make_condition, (agreement,)),
            ("commitments", make_commitment, (agreement,)),
        ]:  # fmt: skip
            made(registry.at(kind).model, make, *args, **cites)
        outcome = made(registry.at("outcomes").model, make_outcome, agreement, component=component)
        indicator = made(registry.at("indicators").model, make_indicator, outcome)
        made(registry.at("measurements").model, make_measurement, indicator, **cites)
        made(FactCheck, FactCheck.objects.create, agreement=agreement, **cites)
        made(Citation, Citation.objects.create, agreement=agreement, **cites)
        recommendation = made(Recommendation, make_recommendation, agreement, **cites, **case.access)
        made(Addressee, Addressee.objects.create, recommendation=recommendation, party=gbr, **cites)
        made(Milestone, Milestone.objects.create, recommendation=recommendation)
        made(Dependency, Dependency.objects.create, recommendation=recommendation, depends_on=self.earlier)
        if not case.cleaned:  # an approved update cannot be changed
            self.approved_update(case, recommendation, source)
        case.records = seen
        if case.cleaned:
            self.clean(case)
        case.then(self, case)

    def approved_update(self, case: Case, recommendation: Recommendation, source: Source) -> None:
        approved = {"kind": "note", "reported_on": "2025-01-01", "review": "approved", "reviewed_at": "2025-01-01T00:00:00Z"}
        with change_context(self.people["administrator"], self.word(case, "reason of progressupdate"), "api"):
            update = ProgressUpdate.objects.create(recommendation=recommendation, **approved, **self.texts(case, ProgressUpdate))
            Evidence.objects.create(update=update, source=source, **self.texts(case, Evidence))

    def clean(self, case: Case) -> None:
        """Replace each text by another one without its word, and then open the records."""
        for record in case.records:
            texts = [f.name for f in record._meta.concrete_fields if WORD.search(str(getattr(record, f.attname)).encode())]
            if not texts:
                continue
            with change_context(self.people["administrator"], self.word(case, "reason of the cleaning")):
                url = {name: "https://example.org/" for name in texts if name.endswith("_url")}
                type(record).objects.filter(pk=record.pk).update(**dict.fromkeys(texts, COMMON) | url)
        self.access(case, visibility="public", publication="published")

    def access(self, case: Case, **values: str) -> None:
        for record in case.records:
            if hasattr(record, "visibility"):
                with change_context(self.people["administrator"], "It was decided."):
                    type(record).objects.filter(pk=record.pk).update(**values)

    def delete_parts(self, case: Case) -> None:
        """Delete the records that nothing refers to."""
        for record in case.records[::-1]:
            if isinstance(record, Addressee | Milestone | Dependency | Citation | FactCheck | Participation | AgreementRelation):
                with change_context(self.people["administrator"], self.word(case, f"reason of the deletion of {record._meta.model_name}")):
                    record.delete()

    def facts_on_hidden_source(self, case: Case) -> None:
        """Open records that quote the source of this case."""
        source, agreement = case.records[0], make_agreement()
        recommendation = make_recommendation(agreement)

        def quoted(model: type[models.Model], make: Callable, *args, **values) -> None:
            make(*args, source=source, **self.texts(case, model, only={"locator", "quote"}), **values)

        quoted(registry.at("measurements").model, make_measurement, make_indicator(make_outcome(agreement)))
        quoted(registry.at("commitments").model, make_commitment, agreement)
        quoted(registry.at("treaty-actions").model, make_action, agreement, "announcement")
        quoted(registry.at("entry-into-force-conditions").model, make_condition, agreement)
        quoted(Recommendation, make_recommendation, agreement)
        quoted(Addressee, Addressee.objects.create, recommendation=recommendation, party=make_party("USA"))
        quoted(AgreementRelation, AgreementRelation.objects.create, from_agreement=agreement, kind="amends", to_agreement=self.other)

    def updates(self) -> None:
        """Drafts and submitted updates of another author, which need a second person."""
        recommendation, source = make_recommendation(self.other, priority="high"), make_source()
        for submitted, case in {False: Case("draft update", REVIEWERS), True: Case("submitted update", STAFF)}.items():
            evidence = EvidenceRow(source=source, quote=self.word(case, "evidence.quote"), locator=self.word(case, "evidence.locator"))
            report = Report(status="in_progress", narrative=f"{self.word(case, 'narrative')} {COMMON}", evidence=(evidence,))
            report_progress(recommendation, report, by=self.people["author"], today=date(2026, 1, 5), submit=submitted)


def cases() -> list[Case]:
    withdrawn = lambda register, case: register.access(case, visibility="restricted")  # noqa: E731
    return [
        Case("open", ALL),
        Case("restricted", ADMINISTRATOR, RESTRICTED, then=Register.facts_on_hidden_source),
        Case("internal", STAFF | {"reader"}, INTERNAL),
        Case("draft", STAFF, DRAFT),
        Case("withdrawn", ADMINISTRATOR, then=withdrawn),
        Case("restricted, cleaned and opened", ADMINISTRATOR, RESTRICTED, cleaned=True),
        Case("draft, cleaned and opened", STAFF, DRAFT, cleaned=True),
        Case("open, parts deleted", ALL, then=Register.delete_parts),
        Case("restricted, parts deleted", ADMINISTRATOR, RESTRICTED, then=Register.delete_parts),
        Case("draft, parts deleted", STAFF, DRAFT, then=Register.delete_parts),
    ]


def write_register() -> Register:
    people = {role: make_user(role.replace(" ", "-"), role) for role in ROLES if role != "anonymous"}
    other = make_agreement()
    register = Register(people | {"author": make_user("author", "analyst")}, other, make_recommendation(other))
    PartyOfficer.objects.create(user=people["party officer"], party=make_party("AUS"))
    for case in cases():
        register.write(case)
        if case.name == "restricted":
            keys = {type(record)._meta.model_name: str(getattr(record, record.key)) for record in case.records}
            register.hidden = keys | {f"{name}s": key for name, key in keys.items()}
    register.updates()
    assert not Participation.objects.filter(party__officers__isnull=False).exists(), "The officer reads only what is open to the public."
    assert {r.address for r in registry.addressed if r.model not in register.typed} == OPEN_TYPES, "Write these record types too."
    return register


@pytest.fixture(scope="module")
def register(committed_once_per_module, tmp_path_factory) -> Iterator[Register]:
    with override_settings(MEDIA_ROOT=tmp_path_factory.mktemp("files"), PUBLIC_READ=True):
        yield committed_once_per_module(write_register)


# ---- what is asked


def described_gets() -> dict[str, list[dict]]:
    """The addresses of the API that can be read, with the parameters of each."""
    paths = yaml.safe_load((settings.BASE_DIR / "docs/openapi.yaml").read_text())["paths"]
    return {path: methods["get"].get("parameters", []) for path, methods in paths.items() if "get" in methods}


def moments() -> list[str]:
    """Two moments of the history."""
    times = Change.objects.order_by("at").values_list("at", flat=True)
    return [times[times.count() * tenth // 10].isoformat() for tenth in (3, 8)]


def queries(path: str, parameters: list[dict], hidden: dict[str, str]) -> Iterator[dict[str, str]]:
    """The variants of a request: each moment, format and filter that the address knows."""
    schemas = {parameter["name"]: parameter["schema"] for parameter in parameters if parameter["in"] == "query"}
    page = {"page_size": "500"} if "page_size" in schemas else {}
    yield page if path != "/api/v1/summary/" else {"group_by": "agreement"}
    if path == "/api/v1/summary/":
        yield from ({"group_by": group} for group in schemas["group_by"]["enum"])
        return
    if "as_of" in schemas:
        yield from (page | {"as_of": moment} for moment in moments())
    yield from ({"format": name} for name in schemas.get("format", {}).get("enum", []) if name != "json")
    yield from ({name: COMMON} for name in schemas if name == "q" or name.endswith("__contains"))
    yield from ({name: value} for name, value in hidden.items() if name in schemas)
    resource = next((r for r in registry.addressed if path == f"/api/v1/{r.address}/"), None)
    if resource:
        shown = declared_fields(resource.serializer).items()
        if references := [name for name, f in shown if isinstance(f, KeyField | KeyListField) and not names_people(f)]:
            yield page | {"expand": ",".join(references)}
        yield {"page_size": "2"}


def api_requests(client: Api, register: Register) -> Iterator[Any]:
    """The responses to everything that a client can ask of the API, pages included."""
    for path, parameters in described_gets().items():
        if "auth/" in path:
            continue
        keys = client.keys(f"{path.split('/')[3]}/") if "{key}" in path else [""]
        # Every record once, and the newest one in all variants.
        several = keys[-1:]
        for key in keys:
            for query in queries(path, parameters, register.hidden) if key in several else [{}]:
                address, pages = f"{path.replace('{key}', key)}?{urlencode(query)}", 0
                while address and pages < 3:
                    response = client.get(address)
                    yield address, response
                    is_page = response.get("Content-Type", "").startswith("application/json") and isinstance(response.json(), dict)
                    address, pages = (response.json().get("next") if is_page else None), pages + 1
    yield from ((address, client.get(address)) for address in [f"search/?q={COMMON}", f"search/?q={COMMON}&page_size=100"])


def admin_pages(user: User) -> Iterator[str]:
    """The addresses of the admin: pages of all types, and those of all records that the user may read.

    History and deletion are asked of a few: the first, the last and one or two between them.
    """
    yield from (reverse(name) for name in ("admin:index", "data_checks", "data_checks_count", "recent_changes", "account"))
    yield from ("/admin/numbers/", f"/admin/search/?s={COMMON}&extended=1")
    for model in admin.site._registry:
        if model not in {resource.model for resource in registry.addressed}:
            continue
        yield from (changes(model), changes(model, f"?q={COMMON}"), add(model), changes(model) + "import/")
        records = list(model.objects.visible_to(user).order_by("pk"))
        for record in records:
            yield from tabs(user, record)
        for record in records[:: max(1, len(records) // 2)]:
            yield from (history(record), delete(record))
        for f in model._meta.get_fields():
            if f.is_relation and f.concrete and admin.site.is_registered(f.related_model):
                opts = {"app_label": model._meta.app_label, "model_name": model._meta.model_name, "field_name": f.name, "term": COMMON}
                yield f"{reverse('admin:autocomplete')}?{urlencode(opts)}"
        hidden = model.objects.exclude(pk__in=[record.pk for record in records]).first()
        if hidden:
            yield from (change(hidden), history(hidden), delete(hidden))


# ---- what may be found


def words_in(response: Any) -> set[str]:
    """The words in the body and the headers; an XLSX file is unpacked."""
    body = b"".join(response.streaming_content) if response.streaming else response.content
    if "spreadsheet" in response.get("Content-Type", ""):
        with zipfile.ZipFile(io.BytesIO(body)) as book:
            body = b"".join(book.read(name) for name in book.namelist())
    headers = " ".join(map(str, response.headers.values())).encode()
    return {word.decode().lower() for word in WORD.findall(body + headers)}


def check(register: Register, role: str, responses: Iterator[Any]) -> tuple[set[str], list[str]]:
    """The words that were found, and the leaks among them."""
    found, leaks, requests = set(), [], 0
    for address, response in responses:
        assert response.status_code < 500, (address, response.content)
        requests += 1
        words = words_in(response) - {word.decode().lower() for word in WORD.findall(address.encode())}
        found |= words
        for word in sorted(words):
            place, readers = register.words[word]
            if role not in readers:
                leaks.append(f"{word} ({place}) in {address}")
    assert requests > 100
    return found, leaks


def client_of(register: Register, role: str) -> Api:
    return Api(None if role == "anonymous" else User.objects.get(pk=register.people[role].pk))


def readable_words(register: Register, role: str) -> set[str]:
    return {word for word, (_place, readers) in register.words.items() if role in readers}


@pytest.mark.parametrize("role", ROLES)
def test_the_api_shows_each_role_exactly_the_words_that_it_may_read(role, register):
    found, leaks = check(register, role, api_requests(client_of(register, role), register))

    assert leaks == []
    assert {register.words[word][0] for word in readable_words(register, role) - found} == set()


@pytest.mark.parametrize("role", ROLES[1:])
def test_the_admin_shows_no_role_a_word_that_it_may_not_read(role, register):
    client, user = Client(), User.objects.get(pk=register.people[role].pk)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")

    found, leaks = check(register, role, ((address, client.get(address, secure=True)) for address in admin_pages(user)))

    assert leaks == []
    assert len(found & readable_words(register, role)) > 100
