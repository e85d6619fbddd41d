"""Looks for known vulnerabilities in the pinned packages; `make audit` and `.ci/run` call it.

Exits with 1 where pip-audit finds one. Where its advisory service cannot be reached, or does not know the packages,
nothing was checked: it prints this and exits with 0, so that a machine without network can run the tests. With `AUDIT=required`,
which a release sets, it exits with 1 then, and also where the service knows only some of the packages.
"""

import json
import os
import subprocess
import sys
from typing import Any

PINS = "requirements-dev.txt"  # which has all of the other two


def skipped(reason: str, required: bool) -> tuple[int, list[str]]:
    """The exit status and the lines to print if nothing was checked."""
    return int(required), [f"AUDIT {'FAILED' if required else 'SKIPPED'}: {reason}"]


def verdict(report: dict[str, Any], required: bool = False) -> tuple[int, list[str]]:
    """The exit status and the lines to print for a report of pip-audit (its JSON format)."""
    packages = report["dependencies"]
    checked = [package for package in packages if "skip_reason" not in package]
    if not checked:
        return skipped(f"the advisory service knows none of the {len(packages)} packages.", required)
    lines = [
        f"VULNERABLE {package['name']} {package['version']}: {problem['id']}, fixed in {', '.join(problem['fix_versions']) or 'no version'}"
        for package in checked
        for problem in package["vulns"]
    ]
    unknown = required and len(checked) < len(packages)
    return int(bool(lines) or unknown), [
        *lines,
        f"Audit: {len(checked)} of {len(packages)} packages checked, {len(lines)} vulnerabilities.",
    ]


def audit(required: bool) -> tuple[int, list[str]]:
    """Run pip-audit. The exit status and the lines to print."""
    command = [
        sys.executable,
        "-m",
        "pip_audit",
        "--disable-pip",
        "--require-hashes",
        "--progress-spinner",
        "off",
        "-f",
        "json",
        "-r",
        PINS,
    ]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=300)  # noqa: S603 - our own command
        return verdict(json.loads(run.stdout), required)
    except subprocess.TimeoutExpired:
        return skipped("the advisory service does not answer.", required)
    except json.JSONDecodeError:
        return skipped(f"pip-audit gave no report: {run.stderr.strip().splitlines()[-1:]}", required)


def main() -> int:
    status, lines = audit(required=os.environ.get("AUDIT") == "required")
    print("\n".join(lines))
    return status


if __name__ == "__main__":
    sys.exit(main())
