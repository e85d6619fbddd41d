from django.apps import AppConfig


class RecommendationsConfig(AppConfig):
    name = "recommendations"
    verbose_name = "Recommendations"

    def ready(self):
        from policytracker import dataset
        from recommendations import progress

        # The files leave out what follows from updates.
        dataset.after_load["recommendations.json"] = progress.settle
