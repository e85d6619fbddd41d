"""Looks for known vulnerabilities in the pinned packages; `make audit` and `.ci/run` call it.

Exits with 1 where pip-audit finds one. Where its advisory service cannot be reached, or does not know the packages,
nothing was checked: it says so and exits with 0, so that a machine without network can run the tests.
"""

import json
import subprocess
import sys
from typing import Any

PINS = "requirements-dev.txt"  # which has all of the other two


def verdict(report: dict[str, Any]) -> tuple[int, list[str]]:
    """The exit status and the lines to print for a report of pip-audit (its JSON format)."""
    packages = report["dependencies"]
    checked = [package for package in packages if "skip_reason" not in package]
    if not checked:
        return 0, [f"AUDIT SKIPPED: the advisory service knows none of the {len(packages)} packages."]
    lines = [
        f"VULNERABLE {package['name']} {package['version']}: {problem['id']}, fixed in {', '.join(problem['fix_versions']) or 'no version'}"
        for package in checked
        for problem in package["vulns"]
    ]
    return int(bool(lines)), [*lines, f"Audit: {len(checked)} of {len(packages)} packages checked, {len(lines)} vulnerabilities."]


def main() -> int:
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
        audit = subprocess.run(command, capture_output=True, text=True, timeout=300)  # noqa: S603 - our own command
        report = json.loads(audit.stdout)
    except subprocess.TimeoutExpired:
        print("AUDIT SKIPPED: the advisory service does not answer.")
        return 0
    except json.JSONDecodeError:
        print(f"AUDIT SKIPPED: pip-audit gave no report: {audit.stderr.strip().splitlines()[-1:]}")
        return 0
    status, lines = verdict(report)
    print("\n".join(lines))
    return status


if __name__ == "__main__":
    sys.exit(main())
