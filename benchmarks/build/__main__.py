"""The command that fills the database of DATABASE_URL."""

from __future__ import annotations

import argparse
import os
import sys

import django


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.build", description="Fill the database of DATABASE_URL with benchmark data.")
    parser.add_argument("--recommendations", type=int, default=5_000, metavar="N")
    parser.add_argument("--force", action="store_true", help="even if the database contains agreements")
    options = parser.parse_args()

    from django.db import connection

    from agreements.models import Agreement
    from benchmarks.build.register import BuildError, build

    if Agreement.objects.exists() and not options.force:
        sys.exit("This database contains agreements. Set another DATABASE_URL, or use --force to add to it.")
    try:
        build(options.recommendations, show=sys.stderr.isatty())
    except BuildError as error:
        sys.exit(str(error))
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "policytracker.settings")
    django.setup()
    main()
