#!/usr/bin/env python3
"""The command line of Policy Tracker."""

import os
import sys

try:
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import OperationalError
except ImportError:
    sys.exit("Django is not installed here. Run .venv/bin/python manage.py instead; `make run` makes .venv.")


def main():
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "policytracker.settings")
    if sys.argv[1:2] == ["pg"]:
        # It handles the database server and signs nothing, so it needs no secret.
        os.environ.setdefault("SECRET_KEY", "not used by pg")
    try:
        execute_from_command_line(sys.argv)
    except (ImproperlyConfigured, OperationalError) as error:
        if "--traceback" in sys.argv:
            raise
        # What a person can mend by setting or starting something is told in a sentence.
        culprit = "database" if isinstance(error, OperationalError) else "configuration"
        sys.exit(f"Trouble with the {culprit}: {' '.join(str(error).split())}")
    except KeyboardInterrupt:
        sys.exit("Interrupted.")


if __name__ == "__main__":
    main()
