from django.apps import AppConfig


class PolicyTrackerConfig(AppConfig):
    name = "policytracker"
    verbose_name = "People and access"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self):
        from policytracker.records import installation  # noqa: F401 - it registers a check
