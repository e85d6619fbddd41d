"""`manage.py makemigrations`: Django's command, for changes of the schema only."""

from django.core.management.commands import makemigrations

from policytracker.sql.autodetector import SchemaAutodetector


class Command(makemigrations.Command):
    autodetector = SchemaAutodetector
