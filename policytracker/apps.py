from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PolicyTrackerConfig(AppConfig):
    name = "policytracker"
    verbose_name = _("People and access")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self):
        from policytracker.installed import installation  # noqa: F401 - registers a system check
        from policytracker.records.names import translate_derived_names

        translate_derived_names()
