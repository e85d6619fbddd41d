"""Operations of migrations."""

from django.db.migrations import SeparateDatabaseAndState


class StateOnly(SeparateDatabaseAndState):
    """Changes of models that need no SQL: labels, help texts, messages and validators.

    Django builds the changed model and its relatives again after each operation, which made half of the time of a first `migrate`.
    Here it builds all models once, when a later operation asks for them.
    """

    def state_forwards(self, app_label, state):
        state.__dict__.pop("apps", None)
        super().state_forwards(app_label, state)
