"""The standings of a text and of a party."""

from django.utils.translation import gettext_lazy as _

from policytracker.codes import Codes


class TextStanding(Codes):
    ANNOUNCED = "announced", _("made public, no action on a text recorded"), _("Announced")
    ADOPTED = "adopted", _("text settled, not signed"), _("Adopted")
    SIGNED = "signed", _("signed, not in force"), _("Signed")
    PROVISIONALLY_APPLIED = "provisionally_applied", _("applied before it is in force"), _("Provisionally applied")
    IN_FORCE = "in_force", _("binding its parties"), _("In force")
    OPERATIVE = "operative", _("non-binding and acted on"), _("Operative")
    SUSPENDED = "suspended", _("operation halted, not ended"), _("Suspended")
    TERMINATED = "terminated", _("ended by an action or by its term; binds no party"), _("Terminated")
    UNKNOWN = "unknown", _("no action recorded"), _("Unknown")


class PartyStanding(Codes):
    NONE = "none", _("no recorded action gives it a standing"), _("No standing")
    ANNOUNCED = "announced", _("named in the announcement"), _("Announced")
    SIGNATORY = "signatory", _("signed, and has not consented to be bound"), _("Signatory")
    CONTRACTING = "contracting", _("has consented, and is not bound yet"), _("Contracting")
    BOUND = "bound", _("bound by the text"), _("Bound")
    PROVISIONALLY_APPLYING = "provisionally_applying", _("applies the text before being bound"), _("Provisionally applying")
    SUSPENDED = "suspended", _("bound, with the operation of the text suspended"), _("Suspended")
    WITHDRAWING = "withdrawing", _("bound, and has given notice of withdrawal"), _("Withdrawing")
    FORMER_PARTY = "former_party", _("was bound; it has left, no longer exists, or the text has ended"), _("Former party")
    PARTICIPANT = "participant", _("takes part in a non-binding text"), _("Participant")


BINDING = frozenset({PartyStanding.BOUND, PartyStanding.WITHDRAWING, PartyStanding.SUSPENDED})
