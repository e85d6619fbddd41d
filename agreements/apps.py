from django.apps import AppConfig


class AgreementsConfig(AppConfig):
    name = "agreements"
    verbose_name = "Agreements"

    def ready(self):
        # Importing them registers the record types and the rules of the data checks.
        from agreements import checks, resources  # noqa: F401
