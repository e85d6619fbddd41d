from django.apps import AppConfig


class RecommendationsConfig(AppConfig):
    name = "recommendations"
    verbose_name = "Recommendations"

    def ready(self):
        from policytracker.dataset import layout
        from recommendations import checks  # noqa: F401 - importing the module registers its rules
        from recommendations.derived_status import recompute_status

        # The files do not contain what is derived from updates.
        layout.after_load["recommendations.json"] = recompute_status
