from django.apps import AppConfig
from django.db.models.signals import post_migrate


class PolicyTrackerConfig(AppConfig):
    name = "policytracker"
    verbose_name = "People and access"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self):
        from policytracker import triggers

        post_migrate.connect(triggers.install, dispatch_uid="policytracker.triggers")
