from django.apps import AppConfig


class AgreementsConfig(AppConfig):
    name = "agreements"
    verbose_name = "Agreements"

    def ready(self):
        from agreements import checks  # noqa: F401 - importing it registers the rules
        from agreements.models import Party
        from agreements.models.parties import comparable
        from policytracker.dataset.names import NAMINGS, Naming

        NAMINGS[Party] = Naming(lambda parties: parties.names(), comparable)
