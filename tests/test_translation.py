"""Every text for people is looked up in the translations: here a made-up language, which puts each text into ⟦brackets⟧."""

import re
from datetime import date
from html.parser import HTMLParser
from io import StringIO
from itertools import pairwise
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.core.management import CommandError, call_command
from django.core.management.commands import makemessages
from django.db import models
from django.utils import translation
from django.utils.text import capfirst

from agreements.models import Agreement, AgreementRelation, Citation, Commitment, Measurement, Participation, TreatyAction
from agreements.models.commitments import CURRENCIES
from agreements.standing import party_standing, text_standing
from agreements.standing.answers import earliest
from agreements.standing.data import load_records
from policytracker.codes import Codes
from policytracker.installed.installation import wanted_functions
from policytracker.quality import engine
from policytracker.records.access import FULL_ACCESS, Publication, Role, Visibility
from policytracker.records.declarations import records, trigger_constraints
from policytracker.writing import entries as bulk
from recommendations.models.refusals import RefusalCode
from tests.api.client import Api
from tests.findings import check_context
from tests.make import make_agreement

pytestmark = pytest.mark.usefixtures("loaded_fixtures", "db", "brackets")

OWN_MODELS = [model for model in apps.get_models() if model._meta.app_label in ("policytracker", "agreements", "recommendations")]
DAYS = [date(2016, 6, 1), date(2021, 9, 15), date(2026, 1, 1)]


@pytest.fixture
def brackets(monkeypatch):
    """A language that puts each text into brackets."""

    def bracketed(lookup):
        # Without a language, a text stays as it is: Django writes it into migrations, and triggers contain it.
        return lambda *args: f"⟦{text}⟧" if (text := lookup(*args)) and translation.get_language() else text

    for name in ("gettext", "ngettext"):
        monkeypatch.setattr(translation._trans, name, bracketed(getattr(translation._trans, name)))


def untranslated(text) -> str:
    """The letters outside of brackets."""
    text, inner = str(text), re.compile(r"⟦[^⟦⟧]*⟧")
    while inner.search(text):
        text = inner.sub("", text)
    return re.sub(r"[\W\d_]+", "", text)


def all_translated(texts) -> None:
    """Fails with the texts that are not translated as a whole."""
    texts = {str(text) for text in texts}
    assert texts
    assert [text for text in texts if untranslated(text)] == []


def subclasses(of: type) -> set[type]:
    return {of} | {further for direct in of.__subclasses__() for further in subclasses(direct)}


def test_labels_and_definitions_of_codes_are_translated():
    codes = [code for code_list in (*subclasses(Codes), Visibility, Publication, Role) for code in code_list]

    all_translated(code.label for code in codes)
    all_translated(code.definition for code in codes if getattr(code, "definition", ""))


def test_names_and_help_texts_of_models_and_fields_are_translated():
    fields = [field for model in OWN_MODELS for field in (*model._meta.local_fields, *model._meta.local_many_to_many)]

    all_translated(name for model in OWN_MODELS for name in (model._meta.verbose_name, model._meta.verbose_name_plural))
    all_translated(field.verbose_name for field in fields if not isinstance(field, models.AutoField))
    all_translated(field.help_text for field in fields if field.help_text)
    all_translated(app.verbose_name for app in {model._meta.app_config for model in OWN_MODELS})


def test_rules_of_the_data_checks_are_translated():
    all_translated(text for rule in engine.RULES.values() for text in (rule.title, rule.means, rule.remedy))


def test_messages_of_constraints_and_refusals_are_translated():
    constraints = [constraint for model in records() for constraint in model._meta.constraints]

    all_translated(constraint.violation_error_message for constraint in constraints)
    all_translated(constraint.message for model in records() for constraint in trigger_constraints(model))
    all_translated(text for model in records() for change in model.reserved for text in (change.denied, change.reason_missing))
    all_translated(refusal.message for refusal in RefusalCode)


def test_each_finding_is_one_translated_sentence():
    all_translated(finding.sentence for finding in engine.all_findings(engine.select_checks(), check_context()))


def test_sentences_of_the_standing_are_translated():
    agreements = load_records(Agreement.objects.values_list("pk", flat=True), FULL_ACCESS).values()

    all_translated(text_standing(record, day).sentence for record in agreements for day in DAYS)
    all_translated(
        party_standing(record, party, day).sentence for record in agreements for party in earliest(record).parties for day in DAYS
    )


@pytest.mark.parametrize("model", [AgreementRelation, Citation, Commitment, Measurement, Participation, TreatyAction])
def test_labels_of_records_without_a_title_are_translated(model):
    all_translated(model.objects.all())


def test_lines_of_the_history_are_translated(analyst):
    api = Api(analyst)
    agreement = api.post("agreements/", {"slug": "pact", "title": "Pact", "kind": "treaty"}).json()
    api.patch("agreements/pact/", {"expires_on": "2050", "version": agreement["version"], "change_reason": "Agreed."})

    history = api.list("agreements/pact/history/")["results"]

    assert {entry["operation"] for entry in history} == {"create", "update"}
    all_translated(entry["line"] for entry in history)


def test_titles_of_the_timeline_are_translated(analyst):
    slugs = Agreement.objects.values_list("slug", flat=True)

    all_translated(
        entry["title"] for slug in slugs for entry in Api(analyst).list(f"agreements/{slug}/timeline/", page_size=500)["results"]
    )


def test_headings_and_tables_of_the_dossier_are_translated(analyst):
    lines = Api(analyst).get("agreements/aukus/dossier/", {"format": "md"}).content.decode().split("\n")

    headings = [line for line in lines if line.startswith("## ")]
    header_rows = [row for row, rule in pairwise(lines) if rule.startswith("| --- ")]

    all_translated(headings)
    all_translated(header_rows)


def messages(body) -> list[str]:
    """The messages for people in an error body."""
    if isinstance(body, list):
        return [message for item in body for message in messages(item)]
    if isinstance(body, dict):
        return [message for name, item in body.items() if name not in ("_codes", "_existing", "code") for message in messages(item)]
    return [body]


FULL = {"slug": "pact", "title": "Pact", "kind": "treaty"}
BAD_BODIES = {
    "no object": [],
    "missing fields": {},
    "unknown field": {**FULL, "colour": "red"},
    "calculated field": {**FULL, "signed_on": "2020"},
    "unknown code": {**FULL, "kind": "poem"},
    "invalid date": {**FULL, "expires_on": "soon"},
    "invalid duration": {**FULL, "later_joiner_delay": "soon"},
    "unknown key": {**FULL, "lead": "nobody"},
    "no list of keys": {**FULL, "sectors": "energy"},
    "too many keys": {**FULL, "sectors": ["energy"] * 1001},
    "unknown key in a list": {**FULL, "sectors": ["alchemy"]},
    "key of a wrong type": {**FULL, "lead": 1},
    "used key": {**FULL, "slug": "aukus"},
    "violated constraint": {**FULL, "status": "in_force", "legal_force": "non_binding"},
    "too long reason": {**FULL, "change_reason": "x" * 3000},
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES)
def test_messages_about_a_bad_body_are_translated(body, analyst):
    response = Api(analyst).post("agreements/", [body] if body == [] else body)

    assert response.status_code == 400, response.content
    all_translated(messages(response.json()))


def test_messages_about_lists_of_records_are_translated(analyst):
    api = Api(analyst)

    responses = [
        api.patch("agreements/", FULL),
        api.patch("agreements/", [FULL] * (bulk.MAX_ENTRIES + 1)),
        api.patch("agreements/", [{"title": "No key"}, {"slug": "aukus", "version": 1}, {"slug": "aukus"}, {"slug": "none"}, 7]),
    ]

    assert [response.status_code for response in responses] == [400] * 3
    all_translated(messages([response.json() for response in responses]))


def test_messages_of_other_rejections_are_translated(analyst, reader):
    published, draft = make_agreement(slug="published"), make_agreement(slug="draft", publication="draft")
    api = Api(analyst)

    responses = [
        api.get("agreements/none/"),
        api.patch(f"agreements/{draft.slug}/", {"title": "Later", "version": draft.version + 7}),
        api.patch(f"agreements/{published.slug}/", {"publication": "archived", "version": published.version, "change_reason": "Old."}),
        api.delete(f"agreements/{published.slug}/", headers={"If-Match": f'"{published.version}"'}),
        Api(authorization="Bearer wrong").get("agreements/"),
        Api(reader).post("agreements/", FULL),
        Api().post("auth/tokens/", {"username": "nobody", "password": "wrong"}),  # last, because it ends the transaction
    ]

    assert min(response.status_code for response in responses) >= 400
    all_translated(messages([response.json() for response in responses]))


def test_output_of_commands_is_translated(tmp_path):
    output = StringIO()
    call_command("data_checks", stdout=output)
    call_command("dump_dataset", tmp_path, stdout=output)
    call_command("load_dataset", tmp_path, stdout=output)
    call_command("housekeeping", stdout=output)
    call_command("recompute_status", stdout=output)
    with pytest.raises(CommandError) as refused:
        call_command("load_dataset", tmp_path / "missing", stdout=output)

    all_translated([*output.getvalue().splitlines(), refused.value])


def test_a_trigger_has_the_untranslated_message():
    assert not any("⟦" in sql for sql in wanted_functions().values())


def test_makemessages_collects_the_names_of_fields_and_the_definitions_of_record_types(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    collected = []
    monkeypatch.setattr(makemessages.Command, "handle", lambda self, **options: collected.append(Path("derived_names.py").read_text()))

    call_command("makemessages", locale=["xx"])

    assert {"_('last update on')", "_('treaty action')", "_('The value of an indicator on a date.')"} <= set(collected[0].splitlines())
    assert list(tmp_path.iterdir()) == []


def test_titles_and_values_of_the_filters_of_lists_are_translated():
    filters = {found for page in admin.site._registry.values() for found in page.list_filter if isinstance(found, type)}

    all_translated(found.title for found in filters)
    labels = [label for found in filters if isinstance(found.__dict__.get("value_choices"), list) for _value, label in found.value_choices]
    all_translated(label for label in labels if label not in CURRENCIES)


def test_columns_of_lists_and_tabs_are_translated():
    pages = admin.site._registry.values()
    columns = {getattr(getattr(page, name, None), "short_description", "") for page in pages for name in page.list_display}

    all_translated(capfirst(column) for column in columns if column)
    all_translated(panel.title for page in pages for panel in getattr(page, "panels", ()))


SCRIPTS = sorted((settings.BASE_DIR / "policytracker" / "static" / "policytracker").glob("*.js"))
# The places of a script whose value people read.
SCRIPT_TEXT = re.compile(
    r"""(?:textContent|innerText|innerHTML|title|placeholder|ariaLabel|value)\s*(?:=(?!=)|:)\s*([^;,\n]*)"""
    r"""|(?:setAttribute\(\s*["'](?:aria-label|title|placeholder|alt)["']\s*,|\b(?:alert|confirm|prompt|setCustomValidity|Option|createTextNode)\()([^;)\n]*)"""
)
LITERAL = re.compile(r"""(["'`])((?:(?!\1).)*)\1""")


def script_texts(script: str) -> list[str]:
    """The words for people that a script contains: they belong into the template, as data attributes."""
    shown = [text for values in SCRIPT_TEXT.findall(script) for value in values for _quote, text in LITERAL.findall(value)]
    return [text for text in shown if re.search(r"[^\W\d_]", text) and not re.fullmatch(r"\{\w+\}", text)]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_contain_no_texts_for_people(path):
    assert script_texts(path.read_text()) == []


def test_a_text_in_a_script_is_found():
    assert script_texts('number.textContent = (more ? "at least " : "") + count;') == ["at least "]
    assert script_texts('field.setAttribute("aria-label", "Find " + name); if (confirm("Leave?")) go("home");') == ["Find ", "Leave?"]
    assert script_texts('number.textContent = more ? number.dataset.atLeast.replace("{number}", count) : "?";') == []


TEMPLATES = [
    path for app in ("policytracker", "agreements", "recommendations") for path in (settings.BASE_DIR / app).rglob("templates/**/*.html")
]
MARKED = re.compile(r"{% blocktranslate\b.*?{% endblocktranslate %}|{#.*?#}", re.S)
TEMPLATE_CODE = re.compile(r"{%.*?%}|{{.*?}}", re.S)
ARGUMENT = re.compile(r"""\b(\w+)[=:](["'])(.*?[a-z].*?)\2""", re.I)
# Arguments of template tags and filters that are not read by people: formats, names of colours, keys.
NOT_READ = {"date", "stringformat", "type", "shortcut", "urlencode", "admin_urlname"}
KEYS = {"new"}


class UnmarkedTexts(HTMLParser):
    """Collects the texts of a template without its template code: text nodes and attributes that people read. Icons are no texts."""

    def __init__(self, template: str):
        super().__init__()
        marked = MARKED.sub("", template)
        self.found: list[str] = []
        self.skipped = False
        self.feed(TEMPLATE_CODE.sub("", marked))
        for code in TEMPLATE_CODE.findall(marked):
            if code.startswith(("{% include", "{{")):
                self.found += [text for name, _quote, text in ARGUMENT.findall(code) if name not in NOT_READ and text not in KEYS]

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.skipped = tag in ("script", "style") or "material-symbols-outlined" in (values.get("class") or "")
        self.found += [values[name] or "" for name in ("aria-label", "title", "placeholder", "alt", "data-label") if name in values]

    def handle_endtag(self, tag):
        self.skipped = False

    def handle_data(self, data):
        if not self.skipped:
            self.found.append(data)

    @property
    def texts(self) -> list[str]:
        return [" ".join(text.split()) for text in self.found if re.search(r"[^\W\d_]", text)]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.relative_to(settings.BASE_DIR).as_posix())
def test_texts_of_templates_are_marked_for_translation(path):
    assert UnmarkedTexts(path.read_text()).texts == []


@pytest.mark.parametrize(
    ("template", "unmarked"),
    [
        ("<p>Save</p>", ["Save"]),
        ("{% if a %}Save{% else %}Cancel{% endif %}", ["SaveCancel"]),
        ('<b title="Save"></b>', ["Save"]),
        ('{% include "a.html" with title="Save" %}', ["Save"]),
        ('{{ name|default:"nobody" }}', ["nobody"]),
        ('<p>{% translate "Save" %} {{ a|default:_("nobody") }} 7 %</p>', []),
        ("<p>{% blocktranslate with name=a %}Save {{ name }}{% endblocktranslate %}</p>", []),
        ('{% include "a.html" with title=_("Save") type="warning" %}', []),
    ],
)
def test_an_unmarked_text_is_found(template, unmarked):
    assert UnmarkedTexts(template).texts == unmarked
