from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AgreementsConfig(AppConfig):
    name = "agreements"
    verbose_name = _("Agreements")

    def ready(self):
        # Importing them registers the record types and the rules of the data checks.
        from agreements import checks, resources  # noqa: F401
