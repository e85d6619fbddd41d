#!/usr/bin/env python3
"""The command line of Policy Tracker."""

import os
import sys

try:
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import OperationalError
except ImportError:
    sys.exit("Django is not installed for this Python. Run .venv/bin/python manage.py instead; `make run` creates .venv.")


def main():
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "policytracker.settings")
    if sys.argv[1:2] == ["pg"]:
        # This command only manages the database server and needs no secret.
        os.environ.setdefault("SECRET_KEY", "not used by pg")
    try:
        execute_from_command_line(sys.argv)
    except (ImproperlyConfigured, OperationalError) as error:
        if "--traceback" in sys.argv:
            raise
        # The user can fix these errors, so print a message without a traceback.
        subject = "Database" if isinstance(error, OperationalError) else "Configuration"
        sys.exit(f"{subject} error: {' '.join(str(error).split())}")
    except KeyboardInterrupt:
        sys.exit("Interrupted.")


if __name__ == "__main__":
    main()
