"""What `makemigrations` takes for a change of the schema."""

from django.db.migrations import autodetector
from django.db.models import Field

LABELS = {"editable", "error_messages", "help_text", "validators", "verbose_name"}


class SchemaAutodetector(autodetector.MigrationAutodetector):
    """Leaves out labels, help texts, validators and messages, so that a change of a text needs no migration.

    Of choices only the codes count, because a constraint of the column names them.
    """

    def deep_deconstruct(self, obj):
        if not isinstance(obj, Field):
            return super().deep_deconstruct(obj)
        path, args, options = super().deep_deconstruct(obj)
        if "choices" in options:
            options["choices"] = [code for code, _label in obj.flatchoices]
        return path, args, {name: value for name, value in options.items() if name not in LABELS}

    def generate_altered_constraints(self):
        """An altered constraint differs in its message only."""
