"""The standings of a text and of a party."""

from policytracker.codes import Codes


class TextStanding(Codes):
    ANNOUNCED = "announced", "made public, no action on a text recorded", "Announced"
    ADOPTED = "adopted", "text settled, not signed", "Adopted"
    SIGNED = "signed", "signed, not in force", "Signed"
    PROVISIONALLY_APPLIED = "provisionally_applied", "applied before it is in force", "Provisionally applied"
    IN_FORCE = "in_force", "binding its parties", "In force"
    OPERATIVE = "operative", "non-binding and acted on", "Operative"
    SUSPENDED = "suspended", "operation halted, not ended", "Suspended"
    TERMINATED = "terminated", "ended by an action or by its term; binds no party", "Terminated"
    UNKNOWN = "unknown", "no action recorded", "Unknown"


class PartyStanding(Codes):
    NONE = "none", "no recorded action gives it a standing", "None"
    ANNOUNCED = "announced", "named in the announcement", "Announced"
    SIGNATORY = "signatory", "signed, and has not consented to be bound", "Signatory"
    CONTRACTING = "contracting", "has consented, and is not bound yet", "Contracting"
    BOUND = "bound", "bound by the text", "Bound"
    PROVISIONALLY_APPLYING = "provisionally_applying", "applies the text before being bound", "Provisionally applying"
    SUSPENDED = "suspended", "bound, with the operation of the text suspended", "Suspended"
    WITHDRAWING = "withdrawing", "bound, and has given notice of withdrawal", "Withdrawing"
    FORMER_PARTY = "former_party", "was bound; it has left, no longer exists, or the text has ended", "Former party"
    PARTICIPANT = "participant", "takes part in a non-binding text", "Participant"


BINDING = frozenset({PartyStanding.BOUND, PartyStanding.WITHDRAWING, PartyStanding.SUSPENDED})
