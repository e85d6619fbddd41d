"""Operations of migrations."""

from django.db.migrations import RunPython, SeparateDatabaseAndState
from django.db.models import SlugField


class StateOnly(SeparateDatabaseAndState):
    """Changes of models that need no SQL: labels, help texts, messages and validators.

    Django builds the changed model and its relatives again after each operation, which made half of the time of a first `migrate`.
    Here it builds all models once, when a later operation asks for them.
    """

    def state_forwards(self, app_label, state):
        state.__dict__.pop("apps", None)
        super().state_forwards(app_label, state)


class FillEmptyKeys(RunPython):
    """Gives `without-key-<id>` to records of an app whose code or slug is empty. A constraint refuses new ones.

    Nobody could refer to such a record, and a key is no value that changes: neither the rules nor the history apply.
    """

    def __init__(self, app_label):
        def fill(apps, schema_editor):
            for model in apps.get_app_config(app_label).get_models():
                for field in model._meta.fields:
                    if isinstance(field, SlugField) and field.unique:
                        fill_empty_keys(schema_editor, model._meta.db_table, field.column)

        super().__init__(fill, RunPython.noop)


def fill_empty_keys(schema_editor, table, column):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(f"SELECT FROM {table} WHERE {column} = ''")
        if not cursor.rowcount:
            return
    schema_editor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    schema_editor.execute(f"UPDATE {table} SET {column} = 'without-key-' || id WHERE {column} = ''")
    schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # PostgreSQL alters no table with pending constraints
    schema_editor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
