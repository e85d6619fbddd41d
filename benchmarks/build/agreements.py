"""Parties, sources, agreements with their participants, components, money, outcomes and citations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from agreements.models import (
    Agreement,
    Citation,
    Commitment,
    Component,
    FocusArea,
    Indicator,
    Measurement,
    Outcome,
    Participation,
    Party,
    Sector,
    Source,
)
from benchmarks.build.values import Maker
from benchmarks.build.writer import Writer

PARTIES, SECTORS, AREAS = 250, 20, 10
SOURCES, AGREEMENTS, COMPONENTS_OF_EACH = 0.02, 0.08, 3  # per recommendation, per recommendation, per agreement
LEGAL = [
    ("binding", "in_force"), ("binding", "in_force"), ("binding", "signed"), ("binding", "terminated"), ("mixed", "in_force"),
    ("non_binding", "operative"), ("non_binding", "announced"), ("undetermined", "unknown"),
]  # fmt: skip
KINDS = {"binding": ["treaty", "convention", "protocol", "agreement"], "mixed": ["agreement", "framework"]}
OTHER_KINDS = ["memorandum_of_understanding", "joint_statement", "partnership", "initiative"]


@dataclass(frozen=True)
class Text:
    """A generated agreement: its id, legal force, editorial status and members."""

    pk: int
    legal_force: str
    status: str
    members: list[int]


@dataclass(frozen=True)
class Context:
    """The ids of what other records refer to."""

    parties: range
    sectors: range
    areas: range
    sources: range
    texts: list[Text]
    components: range


def fill_agreements(size: int, make: Maker, write: Writer, analysts: list[int], parties: range) -> Context:
    """Write these records in numbers that fit so many recommendations. The parties are written already."""
    sectors, areas = write.ids(Sector, SECTORS), write.ids(FocusArea, AREAS)
    write.fill(Sector, "id code name", [(pk, f"sector-{n:02}", make.title(2)) for n, pk in enumerate(sectors, 1)])
    write.fill(FocusArea, "id code name", [(pk, f"area-{n:02}", make.title(2)) for n, pk in enumerate(areas, 1)])
    sources = write.ids(Source, int(size * SOURCES) + 50)
    columns = "id slug visibility publication kind title original_url published_on"
    write.fill(Source, columns, source_rows(sources, make), len(sources))
    ids = write.ids(Agreement, int(size * AGREEMENTS))
    texts = [Text(pk, *make.choice(LEGAL), members(n, parties, make)) for n, pk in enumerate(ids)]
    columns = "id slug visibility publication title kind legal_force status summary expires_on actions_complete_as_of lead_id"
    write.fill(Agreement, columns, agreement_rows(texts, make, analysts), len(texts))
    linked = [(text.pk, sector) for text in texts for sector in make.random.sample(sectors, 2)]
    write.fill(Agreement.sectors.through, "agreement_id sector_id", linked)
    teams = [(text.pk, user) for text in texts[::10] for user in make.random.sample(analysts, 2)]
    write.fill(Agreement.team.through, "agreement_id user_id", teams)
    write.fill(Participation, "agreement_id party_id role uid since", participation_rows(texts, make), int(size * 0.32))
    components = write.ids(Component, len(ids) * COMPONENTS_OF_EACH)
    columns = "id slug visibility publication agreement_id parent_id title status due_on"
    write.fill(Component, columns, component_rows(components, ids, make), len(components))
    leads = ((pk, make.skewed_choice(parties)) for pk in components)
    write.fill(Component.lead_parties.through, "component_id party_id", leads, len(components))
    context = Context(parties, sectors, areas, sources, texts, components)
    fill_facts(context, make, write)
    return context


def fill_parties(make: Maker, write: Writer) -> range:
    parties = write.ids(Party, PARTIES)
    rows = [(pk, f"p-{n:03}", f"Party {n} of {make.title(1)}", "state" if n < 200 else "public_body") for n, pk in enumerate(parties, 1)]
    write.fill(Party, "id code name kind", rows)
    return parties


def source_rows(ids: range, make: Maker) -> Iterator[tuple]:
    for n, pk in enumerate(ids, 1):
        kind = make.choice(["news", "press_release", "official_statement", "audit_report"])
        address = f"https://archive.example/{n}/"
        yield pk, f"source-{n:07}", *make.access(), kind, make.title(6), address, make.day(-2500, 0)


def members(number: int, parties: range, make: Maker) -> list[int]:
    """Most agreements have two parties, some have 12, and a few have 200."""
    if number % 133 == 66:
        return make.random.sample(parties, 200)
    if number % 20 == 1:
        return make.random.sample(parties, 12)
    first, second = make.skewed_choice(parties), make.skewed_choice(parties)
    return [first, second if second != first else parties[(first - parties[0] + 1) % len(parties)]]


def agreement_rows(texts: list[Text], make: Maker, analysts: list[int]) -> Iterator[tuple]:
    for n, text in enumerate(texts, 1):
        kind = make.choice(KINDS.get(text.legal_force, OTHER_KINDS))
        complete = make.days[-30] if make.chance(0.3) else None
        ends = make.day(0, 1900, 0.6)
        row = (text.pk, f"agreement-{n:07}", *make.access(), make.title(5), kind, text.legal_force, text.status, make.text(), ends)
        yield *row, complete, make.choice(analysts)


def participation_rows(texts: list[Text], make: Maker) -> Iterator[tuple]:
    for text in texts:
        for party in text.members:
            yield text.pk, party, "observer" if make.chance(0.02) else "party", make.uid(), make.day(-2900, -100)


def component_rows(ids: range, agreements: range, make: Maker) -> Iterator[tuple]:
    for n, pk in enumerate(ids):
        place = n % COMPONENTS_OF_EACH
        parent = ids[n - place] if place and make.chance(0.1) else None
        status = make.choice(["planned", "active", "active", "completed", "unknown"])
        agreement = agreements[n // COMPONENTS_OF_EACH]
        yield pk, f"component-{n + 1:07}", *make.access(), agreement, parent, make.title(6), status, make.day(-900, 1800)


# ---- facts with sources


def fill_facts(context: Context, make: Maker, write: Writer) -> None:
    """Money, measured outcomes and citations."""
    rows = list(commitment_rows(context, make))
    columns = "agreement_id payer_id stage amount bound currency stated_on description source_id locator uid"
    write.fill(Commitment, columns, rows)
    texts = [text for text in context.texts if make.chance(0.3)]
    outcomes, indicators = write.ids(Outcome, len(texts)), write.ids(Indicator, len(texts))
    rows = [(pk, f"outcome-{pk:07}", text.pk, make.text()) for pk, text in zip(outcomes, texts, strict=True)]
    write.fill(Outcome, "id slug agreement_id statement", rows)
    rows = [
        (pk, f"indicator-{pk:07}", outcome, make.title(3), "%", "increase", make.random.randrange(40), 100)
        for pk, outcome in zip(indicators, outcomes, strict=True)
    ]
    write.fill(Indicator, "id slug outcome_id name unit direction baseline_value target_value", rows)
    rows = [(pk, str(year), make.random.randrange(100), make.uid()) for pk in indicators for year in (2022, 2024)]
    write.fill(Measurement, "indicator_id measured_on value uid", rows)
    write.fill(Citation, "source_id agreement_id component_id field locator quote uid", list(citation_rows(context, make)))


def commitment_rows(context: Context, make: Maker) -> Iterator[tuple]:
    """A quarter of the agreements have one to four sums of money."""
    for text in context.texts:
        for _ in range(make.choice([1, 2, 3, 4]) if make.chance(0.25) else 0):
            yield (
                text.pk,
                make.choice(text.members),
                make.choice(["announced", "authorised", "committed", "disbursed"]),
                make.random.randrange(1, 9_999) * 100_000,
                make.choice(["exactly", "about", "up_to", "at_least"]),
                make.choice(["USD", "EUR", "AUD", "GBP", "JPY"]),
                make.day(-2000, -30),
                make.text()[:100],
                make.skewed_choice(context.sources),
                f"p. {text.pk % 90 + 1}",
                make.uid(),
            )


def citation_rows(context: Context, make: Maker) -> Iterator[tuple]:
    """Most agreements have a source, some have two. Every third component has one."""
    for text in context.texts:
        for field in make.choice([[], ["title"], ["title"], ["title", "status"]]):
            yield make.skewed_choice(context.sources), text.pk, None, field, f"p. {text.pk % 90 + 1}", make.text()[:120], make.uid()
    for pk in context.components[::3]:
        yield make.skewed_choice(context.sources), None, pk, "", f"p. {pk % 90 + 1}", make.text()[:120], make.uid()
