"""Recommendations with their addressees, progress updates and evidence."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.build.agreements import COMPONENTS_OF_EACH, Context
from benchmarks.build.values import Maker
from benchmarks.build.writer import Writer
from recommendations.models import CLOSABLE, DONE, TERMINAL, Addressee, Evidence, ProgressUpdate, Recommendation, Status
from recommendations.progress import ALLOWED

VERBS = ["Adopt", "Build", "Consult on", "Extend", "Finance", "Publish", "Ratify", "Review", "Set up", "Simplify"]
PERCENT = {
    Status.PLANNED: 0,
    Status.IN_PROGRESS: 30,
    Status.PARTLY_IMPLEMENTED: 50,
    Status.LARGELY_IMPLEMENTED: 80,
    Status.IMPLEMENTED: 100,
}


def next_statuses() -> dict[Status, list[Status]]:
    """The allowed next statuses, with terminal ones less likely. No recommendation is superseded."""
    result = {}
    for status in Status:
        allowed = sorted({*ALLOWED[status], status} - {Status.SUPERSEDED})
        result[status] = [s for s in allowed if s not in TERMINAL] * 6 + [s for s in allowed if s in TERMINAL]
    return result


def fill_recommendations(size: int, context: Context, make: Maker, write: Writer, analysts: list[int], reviewers: list[int]) -> None:
    ids = write.ids(Recommendation, size)
    write.fill(
        Recommendation,
        "id slug visibility publication key_action details focus_area_id parent_id made_by_id made_by_text made_on source_id locator quote "
        "priority owner_id due_on update_every",
        recommendation_rows(ids, make, context.parties, context.areas, context.sources, analysts),
        size,
    )
    places = range(len(context.texts))
    linked = [sorted({make.skewed_choice(places) for _ in range(1 + make.chance(0.25))}) if make.chance(0.95) else [] for _ in ids]
    rows = ((pk, context.texts[place].pk) for pk, its_places in zip(ids, linked, strict=True) for place in its_places)
    write.fill(Recommendation.agreements.through, "recommendation_id agreement_id", rows, size * 6 // 5)
    rows = (
        (pk, context.components[its_places[0] * COMPONENTS_OF_EACH + make.choice(range(COMPONENTS_OF_EACH))])
        for pk, its_places in zip(ids, linked, strict=True)
        if its_places and make.chance(0.5)
    )
    write.fill(Recommendation.components.through, "recommendation_id component_id", rows, size // 2)
    rows = ((pk, sector) for pk in ids for sector in make.random.sample(context.sectors, 1 + make.chance(0.2)))
    write.fill(Recommendation.sectors.through, "recommendation_id sector_id", rows, size * 6 // 5)
    write.fill(
        Addressee,
        "recommendation_id party_id role response responded_on response_text uid",
        addressee_rows(ids, context.parties, make),
        size * 8 // 5,
        "data set",  # the trigger of their facts leaves a load to recompute_status() at its end
    )
    updates = write.ids(ProgressUpdate, size * 5)
    evidence: list[tuple] = []
    write.fill(
        ProgressUpdate,
        "id uid recommendation_id kind status progress_percent reported_on narrative reason party_id author_id review reviewed_by_id "
        "reviewed_at voided_at voided_by_id void_reason closes",
        update_rows(ids, iter(updates), make, context.parties, analysts, reviewers, context.sources, evidence),
        size * 4,
    )
    write.fill(Evidence, "update_id source_id uid locator quote", evidence)


def recommendation_rows(ids: range, make: Maker, parties: range, areas: range, sources: range, analysts: list[int]) -> Iterator[tuple]:
    for n, pk in enumerate(ids, 1):
        yield (
            pk,
            f"recommendation-{n:07}",
            *make.access(),
            f"{make.choice(VERBS)} the {make.title(4).lower()}",
            make.text(),
            make.choice(areas) if make.chance(0.7) else None,
            ids[int((n - 1) * make.random.random())] if n > 1 and make.chance(0.1) else None,
            make.skewed_choice(parties) if make.chance(0.3) else None,
            "Industry experts" if make.chance(0.2) else "",
            make.day(-2500, -30),
            make.skewed_choice(sources) if make.chance(0.8) else None,
            f"p. {n % 90 + 1}",
            make.text()[:120],
            make.choice(["critical", "high", "medium", "medium", "low", "unset", "unset"]),
            make.choice(analysts) if make.chance(0.75) else None,
            make.day(-1100, 1800),
            30 if make.chance(0.1) else None,
        )


def addressee_rows(ids: range, parties: range, make: Maker) -> Iterator[tuple]:
    for pk in ids:
        for place, party in enumerate(dict.fromkeys(make.skewed_choice(parties) for _ in range(make.choice([1, 1, 1, 2, 2, 3])))):
            response = make.choice(["none_recorded", "none_recorded", "accepted", "accepted_in_part", "noted", "rejected"])
            answered = response != "none_recorded"
            text = make.text()[:100] if answered and make.chance(0.5) else ""
            yield pk, party, "support" if place else "lead", response, make.day(-1000, 0) if answered else "", text, make.uid()


def update_rows(
    ids: range,
    updates: Iterator[int],
    make: Maker,
    parties: range,
    analysts: list[int],
    reviewers: list[int],
    sources: range,
    evidence: list[tuple],
) -> Iterator[tuple]:
    """The updates of each recommendation, oldest first, with allowed status changes. Adds their evidence to `evidence`."""
    following = next_statuses()
    for recommendation in ids:
        number = make.choice([0, 1, 2, 3, 4, 4, 5, 6, 7, 8])
        status, day, step = Status.NOT_ASSESSED, -make.choice(range(40, 1500)), 0
        for left in reversed(range(number)):
            day, roll = day + step, make.random.random()
            step = -day // (left + 1)
            pk, reported_on = next(updates), make.days[day]
            kind = "assessment" if roll < 0.75 else "claim" if roll < 0.9 else "note"
            new_status = make.choice(following[status]) if kind != "note" else ""
            share = make.random.random()
            review = "approved" if share > 0.05 else "submitted" if share > 0.02 else "returned" if share > 0.01 else "draft"
            reviewed = review in ("approved", "returned")
            voided = review == "approved" and make.chance(0.01)
            reviewer = make.choice(reviewers)
            yield (
                pk,
                make.uid(),
                recommendation,
                kind,
                new_status,
                PERCENT.get(new_status) if kind == "assessment" else None,
                reported_on,
                make.text(),
                "",
                make.skewed_choice(parties) if kind == "claim" else None,
                make.choice(analysts),
                review,
                reviewer if reviewed else None,
                f"{make.days[min(day + 1, 0)]} 00:00:00+00" if reviewed else None,
                f"{make.days[min(day + 9, 0)]} 00:00:00+00" if voided else None,
                reviewer if voided else None,
                "Entered for the wrong recommendation." if voided else "",
                kind == "assessment" and new_status in CLOSABLE and left == 0 and make.chance(0.1),
            )
            if new_status in DONE or make.chance(0.1):
                evidence.append((pk, make.skewed_choice(sources), make.uid(), f"p. {pk % 90 + 1}", make.texts[pk % len(make.texts)][:120]))
            if kind == "assessment" and review == "approved" and not voided:
                status = new_status
