"""Rules for the code: the direction of imports, and the places in which every record type must occur."""

import ast
import json
import re
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.core.checks import run_checks
from django.db import connection
from django.db.models import DateField, DateTimeField

from policytracker.codes import Codes
from policytracker.dataset.package import NAME
from policytracker.edtf import EdtfField
from policytracker.records.access import Reader, Role
from policytracker.records.declarations import records
from policytracker.resources import registry
from tests.run import FIRST

ROOT = Path(settings.BASE_DIR)
THEME_CLASSES = {"field-row"}  # classes of the theme that look like those of a column
CODES_OF_BOTH = {"none", "medium"}  # codes of the domain that are also words of a style sheet: an empty value, a width
RECORDS = records()
# Dates that are calculated from other events, or are not events.
DATES_WITHOUT_EVENT = {
    *("agreement.signed_on", "agreement.in_force_on", "agreement.actions_complete_as_of", "entryintoforcecondition.fixed_on"),
    *("component.original_due_on", "recommendation.original_due_on", "recommendation.status_since"),
    *("recommendation.last_update_on", "recommendation.closed_on"),
}
# Modules of the project that import all apps.
OUTERMOST = {f"policytracker.{name}" for name in ("urls", "wsgi", "settings", "management.commands.make_demo")}
# The packages and modules of the platform, from the lowest floor. Each imports only from the floors below its own.
FLOORS = [
    {"codes", "colours", "edtf", "strict_json"},
    {"date_forms", "site", "sql"},
    {"records"},
    {"resources"},
    {"representation"},
    {"installed"},
    {"writing"},
    {"guides", "history", "search", "quality", "dataset", "importing"},
    {"accounts"},
    {"web"},
    {"api"},
    {"admin"},
    {"apps", "formats", "management", "models", "settings", "templatetags", "urls", "wsgi"},
]
WITH_HTTP = {"web", "api", "admin", "management", "settings", "urls", "wsgi"}
HTTP = ("django.http", "rest_framework.request", "rest_framework.response", "rest_framework.views", "rest_framework.viewsets")
# The layers of each app, from the lowest. A module may import from its own and lower layers. A name means the module and its
# submodules, except those with a layer of their own.
LAYERS = {
    "agreements": [
        {"models", "numbers", "quotes"},
        {"deadlines", "standing", "events"},
        {"statements"},
        {"serializers", "filters", "checks", "source_uses", "sheets"},
        {"resources", "source_marks"},
        {"admin", "views"},
        {"apps", "templatetags"},
    ],
    "recommendations": [
        {"models"},
        {
            "deadlines",
            "facts",
            "derived_status",
            "slippage",
            "evidence_sources",
            "progress",
            "refusals",
            "reviews",
            "schemes",
            "bulk_progress",
        },
        {"publication", "responses", "events"},
        {"statements"},
        {"serializers", "filters", "checks", "imports", "sheets"},
        {"resources"},
        {"reports"},
        {"views"},
        {"reports.views"},
        {"admin"},
        {"apps", "management"},
    ],
}


def modules() -> dict[str, Path]:
    found = {}
    for app in ("policytracker", "agreements", "recommendations"):
        for path in (ROOT / app).rglob("*.py"):
            if "migrations" not in path.parts:
                found[".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")] = path
    return found


def imports(path: Path) -> list[tuple[str, bool]]:
    """The modules that a file imports, for annotations too, and whether each import is at the top level or for annotations only."""
    tree = ast.parse(path.read_text())
    top = {id(node) for node in tree.body}
    for branch in tree.body:
        if isinstance(branch, ast.If) and "TYPE_CHECKING" in ast.dump(branch.test):
            top |= {id(node) for node in branch.body}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, id(node) in top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [(node.module, id(node) in top)] + [(f"{node.module}.{alias.name}", id(node) in top) for alias in node.names]
    return found


def level(module: str) -> int:
    if module in OUTERMOST:
        return 3
    return {"policytracker": 0, "agreements": 1, "recommendations": 2}[module.split(".")[0]]


def test_imports_point_one_way():
    known = modules()

    wrong = [
        f"{module} imports {target}"
        for module, path in known.items()
        for target, _ in imports(path)
        if target in known and level(target) > level(module) and not module.endswith(".apps")
    ]

    assert wrong == []


def package_of(module: str) -> str:
    return module.split(".")[1]


def imports_of_higher_floors(floors: list[set[str]]) -> list[str]:
    number = {name: position for position, names in enumerate(floors) for name in names}
    platform = {module: path for module, path in modules().items() if module.startswith("policytracker.")}
    return [
        f"{module} imports {target}"
        for module, path in platform.items()
        for target, _ in imports(path)
        if target in platform
        and (own := package_of(module)) != (other := package_of(target))
        and number[other] >= number[own]
        and module not in OUTERMOST
    ]


def test_every_package_of_the_platform_has_one_floor():
    packages = {package_of(module) for module in modules() if module.startswith("policytracker.")}

    assert sorted(name for floor in FLOORS for name in floor) == sorted(packages)


def test_a_package_imports_only_packages_of_lower_floors():
    """So the graph of packages has no circle."""
    assert imports_of_higher_floors(FLOORS) == []
    assert imports_of_higher_floors(FLOORS[::-1])  # reversed floors must be reported


def test_what_stands_below_the_web_knows_no_http():
    found = [
        f"{module} imports {target}"
        for module, path in modules().items()
        if module.startswith("policytracker.") and package_of(module) not in WITH_HTTP
        for target, _ in imports(path)
        if target.startswith(HTTP) and target not in ("django.http", "django.http.Http404")
    ]

    assert found == []


def layer_of(module: str, layers: list[set[str]]) -> int | None:
    """The number of the layer of a module; None for the package of the app, which is empty."""
    parts = module.split(".")[1:]
    for length in range(len(parts), 0, -1):
        name = ".".join(parts[:length])
        for number, names in enumerate(layers):
            if name in names:
                return number
    return None


def imports_of_higher_layers(app: str, layers: list[set[str]]) -> list[str]:
    known = {module: path for module, path in modules().items() if module.split(".")[0] == app}
    return [
        f"{module} imports {target}"
        for module, path in known.items()
        for target, _ in imports(path)
        if target in known
        and (own := layer_of(module, layers)) is not None
        and (other := layer_of(target, layers)) is not None
        and other > own
    ]


@pytest.mark.parametrize("app", LAYERS)
def test_every_module_has_exactly_one_layer(app):
    own = [module for module in modules() if module.startswith(f"{app}.")]
    names = [name for layer in LAYERS[app] for name in layer]

    assert [module for module in own if layer_of(module, LAYERS[app]) is None] == []
    assert len(names) == len(set(names))
    assert [name for name in names if f"{app}.{name}" not in own] == []


@pytest.mark.parametrize("app", LAYERS)
def test_a_module_imports_only_its_own_layer_and_lower_ones(app):
    assert imports_of_higher_layers(app, LAYERS[app]) == []
    assert imports_of_higher_layers(app, LAYERS[app][::-1])  # reversed layers must be reported


def test_no_import_is_inside_a_function():
    hidden = [f"{module} imports {target}" for module, path in modules().items() for target, top in imports(path) if not top]

    # Django calls ready() when models can be imported. The process that reads a file imports only the libraries that its file needs.
    libraries = {
        "spreadsheets imports openpyxl",
        "spreadsheets imports python_calamine",
        "tables imports xlsxwriter",
        "document_process imports pypdf",
    }
    permitted = {".apps imports", "encodings imports charset_normalizer", *libraries}
    assert [line for line in hidden if not any(pattern in line for pattern in permitted)] == []


def test_no_module_has_a_vague_name():
    names = {path.stem for path in modules().values()}

    assert not names & {"utils", "helpers", "services", "signals", "common", "misc"}


def test_no_module_exceeds_500_lines():
    long = {module: lines for module, path in modules().items() if (lines := len(path.read_text().splitlines())) > 500}

    assert long == {}


@pytest.mark.parametrize("model", RECORDS, ids=lambda model: model.__name__)
def test_every_record_type_is_registered_and_in_the_admin(model):
    assert registry.of(model).address or model.__name__ in {"Evidence", "SourceText"}  # shown with an update, and with a source
    assert admin.site.is_registered(model)


def test_a_record_type_is_registered_after_those_that_it_refers_to():
    order = [resource.model for resource in registry]

    early = [
        f"{model.__name__} before {field.related_model.__name__}"
        for number, model in enumerate(order)
        for field in model._meta.get_fields()
        if field.concrete and field.is_relation and field.related_model in order[number + 1 :]
    ]

    assert early == []


def test_every_date_of_a_record_is_an_event_or_a_known_exception():
    """A new date field must not be forgotten in the timeline."""
    dates = {
        f"{resource.label.split('.')[1]}.{field.name}"
        for resource in registry
        if resource.scope_paths
        for field in resource.model._meta.local_concrete_fields
        if isinstance(field, EdtfField | DateField) and not isinstance(field, DateTimeField) and not field.generated
    }
    events = {f"{resource.label.split('.')[1]}.{event.day}" for resource in registry for event in resource.events}

    assert events <= dates
    assert dates - events == DATES_WITHOUT_EVENT


@pytest.mark.parametrize("resource", [r for r in registry if r.scope_paths], ids=lambda resource: resource.label)
def test_every_record_type_of_an_agreement_is_in_the_dossier_or_part_of_a_recommendation(resource):
    nested = {"Agreement", "Addressee", "Milestone", "ProgressUpdate", "Evidence", "Dependency"}

    assert bool(resource.section) != (resource.model.__name__ in nested)


@pytest.mark.parametrize("model", RECORDS, ids=lambda model: model.__name__)
def test_every_record_type_restricts_read_access(model, db):
    stranger, reader = Reader(frozenset()), Reader(frozenset({Role.READER}), 0)

    assert not model.objects.visible_to(stranger).exists()
    assert model.objects.visible_to(reader).query.where or model.access_parents == ()


def test_every_record_type_is_in_the_fixtures():
    in_files = {row["model"] for path in (ROOT / "fixtures").glob("*.json") for row in json.loads(path.read_text())}

    missing = {model._meta.label_lower for model in RECORDS} - in_files

    # The sources name no milestones and no dependencies, and their texts belong to their authors. The demonstration data have all three.
    assert missing == {"recommendations.milestone", "recommendations.dependency", "agreements.sourcetext"}


def test_every_record_type_is_in_the_demonstration_data():
    in_files = {row["model"] for path in (ROOT / "demo").glob("*.json") if path.name != NAME for row in json.loads(path.read_text())}

    assert in_files == {model._meta.label_lower for model in RECORDS}


def test_every_record_has_its_triggers(db):
    assert run_checks(databases=["default"], tags=["database"]) == []


def test_a_missing_trigger_is_reported(db):
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER record_update ON agreements_party")

    found = run_checks(databases=["default"], tags=["database"])
    assert [(message.id, "record_update of agreements_party" in message.msg) for message in found] == [("policytracker.E002", True)]


def test_every_model_is_a_record_type_or_a_known_exception():
    ours = {m for m in apps.get_models() if m._meta.app_label in ("policytracker", "agreements", "recommendations")}

    assert {m.__name__ for m in ours - set(RECORDS)} == {
        "User",
        "Token",
        "Change",
        "SearchEntry",
        "ListChoice",
        "IdempotencyKey",
        "PartyOfficer",
        "StatusPeriod",
    }


def test_every_module_is_on_the_map():
    documented = (ROOT / "docs" / "code.md").read_text()

    names = {path.stem for path in modules().values() if path.stem != "__init__"}
    inside = {path.stem for path in modules().values() if path.parent.name in ("admin", "models")}

    assert {name for name in names - inside if f"{name}.py" not in documented and f"`{name}`" not in documented} == set()


# Words of the domain that are also words of a platform, with the reason.
WORDS_OF_BOTH = {
    "component",  # of an OpenAPI schema
    "dependency",  # of a package
    "outcome",  # of writing a row
    "party",  # the role "party officer"
    "source",  # a record refers to the document that states it
    "source text",  # what a record takes from its source: locator and quote
}


def words(name: str) -> set[str]:
    """The ways to write the name of a record type in code or text: TreatyAction, treaty_action, treaty-actions, treaty actions."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
    plural = re.sub(r"y$", "ie", spaced) + "s"
    return {form.replace(" ", joint) for form in (spaced, plural) for joint in (" ", "_", "-", "")}


def test_the_platform_contains_no_word_of_the_domain():
    domain = {word for resource in registry for word in words(resource.model.__name__)} | {"agreements", "recommendations"}
    allowed = {form for word in WORDS_OF_BOTH for form in words(word)}
    pattern = re.compile(rf"\b({'|'.join(sorted(domain - allowed, key=len, reverse=True))})\b", re.IGNORECASE)
    project = {f"{name}.py" for name in ("urls", "settings", "wsgi", "make_demo")}

    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in sorted((ROOT / "policytracker").rglob("*"))
        if path.suffix in (".py", ".html", ".css", ".js") and "migrations" not in path.parts and path.name not in project
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if pattern.search(line)
    ]

    assert found == []


def domain_classes(css: str) -> set[str]:
    """The classes in a style sheet of the platform that name a column or a code of the apps."""
    apps_of_domain = {path.parent.name for path in ROOT.glob("*/models")}
    codes = {code.value for code_list in subclasses(Codes) if code_list.__module__.split(".")[0] in apps_of_domain for code in code_list}
    columns = set(re.findall(r"\.((?:field|column)-[\w-]+)", css)) - THEME_CLASSES
    return columns | {name for name in re.findall(r"\.pt-([\w-]+)", css) if name in codes - CODES_OF_BOTH}


def subclasses(of: type) -> set[type]:
    return {of} | {further for direct in of.__subclasses__() for further in subclasses(direct)}


def test_the_style_sheet_of_the_platform_knows_no_code_and_no_column():
    assert domain_classes((ROOT / "policytracker" / "static" / "policytracker" / "admin.css").read_text()) == set()


def test_a_code_and_a_column_in_a_style_sheet_are_found():
    assert domain_classes("td.field-acted, .pt-not_assessed, .field-row a { color: red }") == {"field-acted", "not_assessed"}


def test_the_test_files_that_start_first_exist():
    assert [name for name in FIRST if not (ROOT / "tests" / name).exists()] == []


def test_no_test_imports_from_a_test_module():
    """What several tests use is in a module of its own, so that a test can be moved or removed."""
    found = [
        f"{path.relative_to(ROOT)} imports {target}"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        for target, _ in imports(path)
        if target.startswith("tests.") and target.split(".")[-1].startswith("test_")
    ]

    assert found == []


def test_no_function_exceeds_50_lines():
    long = {
        f"{module}.{node.name}": lines
        for module, path in modules().items()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and (lines := node.end_lineno - node.lineno + 1) > 50
    }

    assert long == {}
