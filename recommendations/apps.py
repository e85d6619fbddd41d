from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class RecommendationsConfig(AppConfig):
    name = "recommendations"
    verbose_name = _("Recommendations")

    def ready(self):
        # Importing them registers the record types and the rules of the data checks.
        from recommendations import checks, resources  # noqa: F401
