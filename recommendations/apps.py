from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class RecommendationsConfig(AppConfig):
    name = "recommendations"
    verbose_name = _("Recommendations")

    def ready(self):
        from policytracker.dataset import layout, record_import
        from recommendations import checks  # noqa: F401 - registers the rules
        from recommendations.derived_status import recompute_status
        from recommendations.imports import ProgressSection
        from recommendations.models import Recommendation

        # The data set does not contain derived fields.
        record_import.SECTIONS[Recommendation] = {"progress": ProgressSection.parse}
        layout.after_load["recommendations.json"] = recompute_status
