from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class RecommendationsConfig(AppConfig):
    name = "recommendations"
    verbose_name = _("Recommendations")

    def ready(self):
        from policytracker.dataset import layout
        from recommendations import checks  # noqa: F401 - registers the rules
        from recommendations.derived_status import recompute_status

        # The data set does not contain derived fields.
        layout.after_load["recommendations.json"] = recompute_status
