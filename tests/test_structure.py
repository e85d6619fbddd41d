"""The house rules that a machine can keep (STYLE): imports point one way, and no record is forgotten anywhere."""

import ast
import json
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.core.checks import run_checks
from django.db import connection

from policytracker import triggers
from policytracker.api import RESOURCES
from policytracker.visibility import Reader, Role

ROOT = Path(settings.BASE_DIR)
RECORDS = triggers.records()
# What may import what: a file may import those of its own level that stand before it in its app, and all lower levels.
OUTERMOST = {f"policytracker.{name}" for name in ("api", "urls", "wsgi", "settings", "management.commands.make_demo")}
APP_ORDER = [
    {"models"},
    {"standing", "progress", "deadlines"},
    {"serializers", "filters", "checks", "search", "overview"},
    {"views", "admin"},
]


def modules() -> dict[str, Path]:
    found = {}
    for app in ("policytracker", "agreements", "recommendations"):
        for path in (ROOT / app).rglob("*.py"):
            if "migrations" not in path.parts:
                found[".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")] = path
    return found


def imports(path: Path) -> list[tuple[str, bool]]:
    """The modules that a file imports, and whether at its top."""
    tree = ast.parse(path.read_text())
    typing_only = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and "TYPE_CHECKING" in ast.dump(branch.test)
        for node in ast.walk(branch)
    }
    top = {id(node) for node in tree.body}
    found = []
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
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


def test_within_an_app_models_come_first_and_the_web_last():
    known = modules()

    def step(module: str) -> int | None:
        part = module.split(".")[1] if "." in module else ""
        return next((number for number, names in enumerate(APP_ORDER) if part in names), None)

    wrong = [
        f"{module} imports {target}"
        for module, path in known.items()
        for target, _ in imports(path)
        if target in known
        and module.split(".")[0] == target.split(".")[0] != "policytracker"
        and step(module) is not None
        and (step(target) or 0) > step(module)
    ]

    assert wrong == []


def test_no_import_hides_inside_a_function():
    hidden = [f"{module} imports {target}" for module, path in modules().items() for target, top in imports(path) if not top]

    # Django calls ready() when models can be imported, and not before.
    assert [line for line in hidden if ".apps imports" not in line] == []


def test_there_is_no_room_without_a_name():
    names = {path.stem for path in modules().values()}

    assert not names & {"utils", "helpers", "services", "signals", "common", "misc"}


def test_no_module_is_too_long_to_read():
    long = {module: lines for module, path in modules().items() if (lines := len(path.read_text().splitlines())) > 600}

    assert long == {}


@pytest.mark.parametrize("model", RECORDS, ids=lambda model: model.__name__)
def test_every_record_is_served_and_administered(model):
    served = {view.serializer_class.Meta.model for view in RESOURCES.values()}

    assert model in served or model.__name__ == "Evidence"  # which is read inside its update
    assert admin.site.is_registered(model)


@pytest.mark.parametrize("model", RECORDS, ids=lambda model: model.__name__)
def test_every_record_says_who_may_read_it(model, db):
    stranger, reader = Reader(frozenset()), Reader(frozenset({Role.READER}), 0)

    assert not model.objects.visible_to(stranger).exists()
    assert model.objects.visible_to(reader).query.where or model.hangs_on == ()


def test_every_record_is_in_the_fixtures():
    in_files = {row["model"] for path in (ROOT / "fixtures").glob("*.json") for row in json.loads(path.read_text())}

    missing = {model._meta.label_lower for model in RECORDS} - in_files

    # The article says nothing of how far anything has come, by which steps, or what must come first.
    assert missing == {f"recommendations.{name}" for name in ("progressupdate", "evidence", "milestone", "dependency")}


def test_every_record_has_its_triggers(db):
    assert run_checks(databases=["default"], tags=["database"]) == []


def test_a_record_without_a_trigger_is_found_out(db):
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER record_update ON agreements_party")

    found = run_checks(databases=["default"], tags=["database"])
    assert [(message.id, "record_update of agreements_party" in message.msg) for message in found] == [("policytracker.E002", True)]


def test_every_model_of_ours_is_a_record_or_known_to_be_none():
    ours = {m for m in apps.get_models() if m._meta.app_label in ("policytracker", "agreements", "recommendations")}

    assert {m.__name__ for m in ours - set(RECORDS)} == {"User", "Token", "Change", "IdempotencyKey", "PartyOfficer", "StatusPeriod"}


def test_every_module_is_on_the_map():
    told = (ROOT / "docs" / "code.md").read_text()

    names = {path.stem for path in modules().values() if path.stem != "__init__"}
    inside = {path.stem for path in modules().values() if path.parent.name in ("admin", "models")}

    assert {name for name in names - inside if f"{name}.py" not in told and f"`{name}`" not in told} == set()
