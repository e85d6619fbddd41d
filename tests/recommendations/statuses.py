"""The table of status changes of the contract, independent of the code."""

# Allowed transitions (docs/api.md, "Progress"). A star means that the transition requires a reason.
TABLE = """
proposed            -> planned in_progress partly_implemented largely_implemented implemented addressed_otherwise stalled closed_not_implemented withdrawn superseded no_longer_applicable not_assessed
planned             -> in_progress partly_implemented largely_implemented implemented addressed_otherwise stalled closed_not_implemented withdrawn superseded no_longer_applicable not_assessed proposed*
in_progress         -> partly_implemented largely_implemented implemented addressed_otherwise stalled closed_not_implemented withdrawn superseded no_longer_applicable not_assessed
partly_implemented  -> largely_implemented implemented addressed_otherwise stalled closed_not_implemented withdrawn superseded no_longer_applicable in_progress*
largely_implemented -> implemented addressed_otherwise stalled closed_not_implemented superseded no_longer_applicable partly_implemented*
stalled             -> in_progress partly_implemented largely_implemented implemented addressed_otherwise closed_not_implemented withdrawn superseded no_longer_applicable
not_assessed        -> proposed planned in_progress partly_implemented largely_implemented implemented addressed_otherwise stalled closed_not_implemented withdrawn superseded no_longer_applicable
implemented            -> in_progress* partly_implemented* not_assessed* addressed_otherwise* closed_not_implemented* withdrawn* superseded* no_longer_applicable*
addressed_otherwise    -> in_progress* partly_implemented* not_assessed* implemented* closed_not_implemented* withdrawn* superseded* no_longer_applicable*
closed_not_implemented -> in_progress* partly_implemented* not_assessed* implemented* addressed_otherwise* withdrawn* superseded* no_longer_applicable*
withdrawn              -> in_progress* partly_implemented* not_assessed* implemented* addressed_otherwise* closed_not_implemented* superseded* no_longer_applicable*
superseded             -> in_progress* partly_implemented* not_assessed* implemented* addressed_otherwise* closed_not_implemented* withdrawn* no_longer_applicable*
no_longer_applicable   -> in_progress* partly_implemented* not_assessed* implemented* addressed_otherwise* closed_not_implemented* withdrawn* superseded*
"""  # noqa: E501


TRANSITIONS = {old.strip(): new.split() for old, new in (line.split("->") for line in TABLE.strip().splitlines())}


TERMINAL = ["implemented", "addressed_otherwise", "closed_not_implemented", "withdrawn", "superseded", "no_longer_applicable"]


def is_allowed(old: str, new: str) -> bool:
    return new == old or new in TRANSITIONS[old] or f"{new}*" in TRANSITIONS[old]
