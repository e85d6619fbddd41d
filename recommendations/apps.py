from django.apps import AppConfig


class RecommendationsConfig(AppConfig):
    name = "recommendations"
    verbose_name = "Recommendations"

    def ready(self):
        from policytracker.dataset import layout
        from recommendations import checks, progress  # noqa: F401 - the rules of checks are known once it is imported

        # The files leave out what follows from updates.
        layout.after_load["recommendations.json"] = progress.settle
