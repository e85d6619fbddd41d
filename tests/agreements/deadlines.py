"""Components whose due date is counted from an event of their agreement."""

from agreements.models import Agreement, Component

SIX_MONTHS = {"due_anchor": "signature", "due_offset": "P6M"}


def due(component):
    return Component.objects.get(pk=component.pk).due_on


def days(agreement):
    now = Agreement.objects.get(pk=agreement.pk)
    return now.signed_on, now.in_force_on
