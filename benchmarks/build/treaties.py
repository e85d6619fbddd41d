"""Treaty actions and conditions of entry into force. For most agreements they agree with the editorial status."""

from __future__ import annotations

from collections.abc import Iterator

from agreements.models import EntryIntoForceCondition, TreatyAction
from benchmarks.build.agreements import Context, Text
from benchmarks.build.values import Maker
from benchmarks.build.writer import Writer

LARGE = 100  # parties; such agreements have deposits and withdrawals too
NEVER_RECORDED = 0.1  # the share of agreements without actions


def fill_treaties(context: Context, make: Maker, write: Writer) -> None:
    rows = list(action_rows(context, make))
    write.fill(TreatyAction, "agreement_id kind party_id counterparty_id acted_on source_id locator uid", rows)
    rows = list(condition_rows(context.texts, make))
    write.fill(EntryIntoForceCondition, "agreement_id kind number delay text uid", rows)


def action_rows(context: Context, make: Maker) -> Iterator[tuple]:
    for text in context.texts:
        if make.chance(NEVER_RECORDED):
            continue
        for kind, party, day in actions(text, make):
            source = make.skewed_choice(context.sources) if make.chance(0.6) else None
            yield text.pk, kind, party, None, make.partial(day), source, "Art. 9" if source else "", make.uid()
        if make.chance(0.1):
            day = make.days[-make.choice(range(1, 60))]
            yield text.pk, "reaffirmation", text.members[0], text.members[1], day, None, "", make.uid()


def actions(text: Text, make: Maker) -> Iterator[tuple[str, int | None, int]]:
    """The actions on a text: kind, party and day from today."""
    day = -make.choice(range(1000, 2900))
    if text.legal_force == "undetermined" or text.status == "announced":
        yield "announcement", None, day
        return
    large = len(text.members) >= LARGE
    for party in text.members:
        signed = day + make.choice(range(300)) * large
        yield "signature", party, signed
        if text.legal_force == "non_binding" or (text.status == "signed" and make.chance(0.7)):
            continue
        consented = min(signed + make.choice(range(30, 500)), -1)
        yield "ratification", party, consented
        if large:
            yield "deposit", party, min(consented + 20, -1)
            if text.status == "in_force" and make.chance(0.02):
                yield "withdrawal_notice", party, -200
                yield "withdrawal_effect", party, -20
    if text.status == "operative":
        yield "start_of_operation", None, day + 10
    if text.status in ("in_force", "terminated") and make.chance(0.97):
        yield "entry_into_force", None, day + 830
    if text.status == "terminated" and make.chance(0.97):
        yield "termination", None, -30


def condition_rows(texts: list[Text], make: Maker) -> Iterator[tuple]:
    """A third of the binding agreements have a condition of entry into force."""
    for text in texts:
        if text.legal_force == "binding" and make.chance(0.33):
            large = len(text.members) >= LARGE
            kind = "number_of_consents" if large else make.choice(["all_signatories", "exchange_of_notes"])
            yield text.pk, kind, 60 if large else None, "P30D", make.text()[:100], make.uid()
