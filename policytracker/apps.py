from django.apps import AppConfig
from django.contrib.admin import apps as admin
from django.utils.translation import gettext_lazy as _


class PolicyTrackerConfig(AppConfig):
    name = "policytracker"
    verbose_name = _("People and access")
    default_auto_field = "django.db.models.BigAutoField"
    default = True

    def ready(self):
        from policytracker.installed import installation  # noqa: F401 - registers a system check
        from policytracker.records.names import translate_derived_names

        translate_derived_names()


class DeskConfig(admin.AdminConfig):
    """Django's admin with our site."""

    default = False
    default_site = "policytracker.admin.past.Desk"

    def ready(self):
        import policytracker.admin  # noqa: F401 - it registers pages with its own site, which must not be asked for before

        super().ready()
