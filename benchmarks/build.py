"""Fills a database with test data of any size, in realistic proportions. COPY writes the rows, and all triggers run.

    .venv/bin/python -m benchmarks.build --recommendations 50000

The same size and date give the same data. Dates are relative to today, so that some deadlines are past and others ahead.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import django

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "policytracker.settings")
    django.setup()

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.db.models import Model

from agreements.models import Agreement, Component, FocusArea, Participation, Party, PartyOfficer, Sector, Source
from policytracker.dataset.layout import WRITTEN_BY_TRIGGERS
from policytracker.models import User
from policytracker.records.access import Role
from policytracker.records.context import change_context
from recommendations.derived_status import recompute_status
from recommendations.models import CLOSABLE, DONE, TERMINAL, Addressee, Evidence, ProgressUpdate, Recommendation, Status
from recommendations.progress import ALLOWED

PARTIES, SECTORS, ANALYSTS, OFFICERS = 250, 20, 30, 3
SOURCES, AGREEMENTS, COMPONENTS_OF_EACH = 0.02, 0.08, 3  # per recommendation, per recommendation, per agreement

WORDS = [
    "air", "audit", "border", "charter", "coast", "council", "data", "duty", "energy", "export", "fleet", "forest", "fund", "grid",
    "harbour", "health", "housing", "island", "knowledge", "labour", "licence", "market", "mineral", "network", "ocean", "pilot",
    "pipeline", "port", "quota", "rail", "reactor", "reef", "register", "review", "river", "school", "security", "ship", "skills",
    "standard", "steel", "survey", "tariff", "trade", "transport", "treaty", "trust", "visa", "water", "wind", "yard", "zone",
]  # fmt: skip
VERBS = ["Adopt", "Build", "Consult on", "Extend", "Finance", "Publish", "Ratify", "Review", "Set up", "Simplify"]
LEGAL = [
    ("binding", "in_force"), ("binding", "in_force"), ("binding", "signed"), ("binding", "terminated"), ("mixed", "in_force"),
    ("non_binding", "operative"), ("non_binding", "announced"), ("undetermined", "unknown"),
]  # fmt: skip
PERCENT = {
    Status.PLANNED: 0,
    Status.IN_PROGRESS: 30,
    Status.PARTLY_IMPLEMENTED: 50,
    Status.LARGELY_IMPLEMENTED: 80,
    Status.IMPLEMENTED: 100,
}


class BuildError(Exception):
    """The database cannot be filled."""


class Maker:
    """Random values from one seed."""

    def __init__(self, today: date, seed: int):
        self.random = Random(seed)
        self.today = today
        self.texts = [" ".join(self.random.choices(WORDS, k=40)).capitalize() + "." for _ in range(500)]
        self.days = {n: str(today + timedelta(n)) for n in range(-3000, 2000)}
        # The allowed next statuses, with terminal ones less likely. No recommendation is superseded.
        self.next = {}
        for status in Status:
            allowed = sorted({*ALLOWED[status], status} - {Status.SUPERSEDED})
            self.next[status] = [s for s in allowed if s not in TERMINAL] * 6 + [s for s in allowed if s in TERMINAL]

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def skewed_choice(self, ids: range) -> int:
        """One of the ids; the first ones are far more frequent than the last."""
        return ids[int(len(ids) * self.random.random() ** 2)]

    def choice(self, choices: Any) -> Any:
        return choices[int(len(choices) * self.random.random())]

    def uid(self) -> str:
        return f"{self.random.getrandbits(128):032x}"

    def title(self, words: int) -> str:
        return " ".join(self.random.choices(WORDS, k=words)).capitalize()

    def text(self) -> str:
        return self.choice(self.texts)

    def day(self, first: int, last: int, unknown: float = 0.15) -> str:
        """A partial date between `first` and `last` days from today, or "" with the probability `unknown`."""
        day, roll = self.days[first + int((last - first) * self.random.random())], self.random.random()
        if roll < unknown:
            return ""
        size = 4 if roll > 0.92 else 7 if roll > 0.75 else 10
        return day[:size] + "~" * self.chance(0.03)

    def access(self) -> tuple[str, str]:
        """Visibility and publication; most records are public and published."""
        roll = self.random.random()
        return "restricted" if roll < 0.03 else "internal" if roll < 0.1 else "public", "draft" if self.chance(0.05) else "published"


def with_progress(rows: Iterable[tuple], label: str, total: int, show: bool) -> Iterator[tuple]:
    """The rows, with a progress bar on stderr if `show` is set."""
    step = max(1, total // 50)
    for number, row in enumerate(rows, 1):
        yield row
        if show and number % step == 0:
            done = min(40, 40 * number // total)
            sys.stderr.write(f"\r{label:<28}{'#' * done:<40} {number:>9,}\x1b[K")
    if show:
        sys.stderr.write("\n")


class Writer:
    """Writes the rows of one model at a time; deferred constraints are checked after each."""

    def __init__(self, show: bool):
        self.show = show

    def ids(self, model: type[Model], count: int) -> range:
        """Reserve ids from the sequence of the table."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_get_serial_sequence(%s, 'id')", [model._meta.db_table])
            (sequence,) = cursor.fetchone()
            cursor.execute("SELECT setval(%s, nextval(%s) + %s)", [sequence, sequence, count])
            (last,) = cursor.fetchone()
        return range(last - count, last)

    def fill(self, model: type[Model], columns: str, rows: Iterable[tuple], total: int) -> None:
        """COPY rows of the named columns; other columns get the default of their field."""
        named = columns.split()
        fields = [f for f in model._meta.local_concrete_fields if not f.generated and f.name not in WRITTEN_BY_TRIGGERS]
        rest = [] if model._meta.auto_created else [f for f in fields if f.column not in named]
        defaults = tuple(field.get_default() for field in rest)
        names = ", ".join([*named, *(field.column for field in rest)])
        label = str(model._meta.verbose_name_plural).replace("relationships", "").strip()
        copy = f"COPY {model._meta.db_table} ({names}) FROM STDIN"
        with change_context(None, "Benchmark data.", "benchmark"), connection.cursor() as cursor, cursor.copy(copy) as into:
            for row in with_progress(rows, label, total, self.show):
                into.write_row(row + defaults)


def make_users(parties: range) -> tuple[list[int], list[int]]:
    """Create users of all roles without passwords. Returns the ids of the analysts and of the reviewers."""
    names = {f"analyst-{n:02}": Role.ANALYST for n in range(1, ANALYSTS + 1)}
    names |= {f"reviewer-{n}": Role.REVIEWER for n in range(1, 6)}
    names |= {f"officer-{n}": Role.OFFICER for n in range(1, OFFICERS + 1)} | {"administrator-1": Role.ADMINISTRATOR}
    users = User.objects.bulk_create(User(username=name, password=make_password(None), is_staff=True) for name in names)
    groups = {group.name: group.pk for group in Group.objects.all()}
    memberships = User.groups.through
    memberships.objects.bulk_create(memberships(user=user, group_id=groups[names[user.username]]) for user in users)
    officers = [user for user in users if names[user.username] == Role.OFFICER]
    PartyOfficer.objects.bulk_create(PartyOfficer(user=user, party_id=party) for user, party in zip(officers, parties, strict=False))
    return tuple([user.pk for user in users if names[user.username] == role] for role in (Role.ANALYST, Role.REVIEWER))


def build(recommendations: int = 5_000, *, today: date | None = None, seed: int = 1, show: bool = False) -> None:
    """Write that many recommendations and the records that belong to them, in one transaction. Raises BuildError."""
    if recommendations < 200:
        raise BuildError("Use at least 200 recommendations.")
    if Party.objects.filter(code="p-001").exists():
        raise BuildError("This database already contains benchmark data.")
    make, write = Maker(today or datetime.now(UTC).date(), seed), Writer(show)
    with transaction.atomic():
        _build(recommendations, make, write)
        with change_context(User.objects.get(username="reviewer-1"), "No longer followed.", "benchmark"):
            recompute_status()
            Recommendation.objects.filter(slug__endswith="77", publication="published").update(publication="archived")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _build(size: int, make: Maker, write: Writer) -> None:
    parties, sectors, areas = write.ids(Party, PARTIES), write.ids(Sector, SECTORS), write.ids(FocusArea, 10)
    rows = ((pk, f"p-{n:03}", f"Party {n} of {make.title(1)}", "state" if n < 200 else "public_body") for n, pk in enumerate(parties, 1))
    write.fill(Party, "id code name kind", rows, PARTIES)
    write.fill(Sector, "id code name", ((pk, f"sector-{n:02}", make.title(2)) for n, pk in enumerate(sectors, 1)), SECTORS)
    write.fill(FocusArea, "id code name", ((pk, f"area-{n:02}", make.title(2)) for n, pk in enumerate(areas, 1)), 10)
    analysts, reviewers = make_users(parties)

    sources = write.ids(Source, int(size * SOURCES) + 50)
    rows = (
        (pk, f"source-{n:07}", *make.access(), make.choice(["news", "press_release", "official_statement", "audit_report"]), make.title(6),
         f"https://archive.example/{n}/", make.day(-2500, 0))
        for n, pk in enumerate(sources, 1)
    )  # fmt: skip
    write.fill(Source, "id slug visibility publication kind title original_url published_on", rows, len(sources))

    agreements = write.ids(Agreement, int(size * AGREEMENTS))
    rows = (
        (
            pk,
            f"agreement-{n:07}",
            *make.access(),
            make.title(5),
            *make.choice(LEGAL),
            make.text(),
            make.day(0, 1900, 0.6),
            make.choice(analysts),
        )
        for n, pk in enumerate(agreements, 1)
    )
    write.fill(Agreement, "id slug visibility publication title legal_force status summary expires_on lead_id", rows, len(agreements))
    write.fill(
        Agreement.sectors.through,
        "agreement_id sector_id",
        ((pk, s) for pk in agreements for s in make.random.sample(sectors, 2)),
        2 * len(agreements),
    )
    teams = ((pk, user) for pk in agreements[::10] for user in make.random.sample(analysts, 2))
    write.fill(Agreement.team.through, "agreement_id user_id", teams, len(agreements) // 5)
    write.fill(Participation, "agreement_id party_id role uid since", participation_rows(agreements, parties, make), int(size * 0.32))

    components = write.ids(Component, len(agreements) * COMPONENTS_OF_EACH)
    rows = (
        (pk, f"component-{n + 1:07}", *make.access(), agreements[n // COMPONENTS_OF_EACH],
         components[n - n % COMPONENTS_OF_EACH] if n % COMPONENTS_OF_EACH and make.chance(0.1) else None,
         make.title(6), make.choice(["planned", "active", "active", "completed", "unknown"]), make.day(-900, 1800))
        for n, pk in enumerate(components)
    )  # fmt: skip
    write.fill(Component, "id slug visibility publication agreement_id parent_id title status due_on", rows, len(components))
    leads = ((pk, make.skewed_choice(parties)) for pk in components)
    write.fill(Component.lead_parties.through, "component_id party_id", leads, len(components))

    ids = write.ids(Recommendation, size)
    write.fill(
        Recommendation,
        "id slug visibility publication key_action details focus_area_id parent_id made_by_id made_by_text made_on source_id locator quote "
        "priority owner_id due_on update_every",
        recommendation_rows(ids, make, parties, areas, sources, analysts),
        size,
    )
    links = [sorted({make.skewed_choice(agreements) for _ in range(1 + make.chance(0.25))}) if make.chance(0.95) else [] for _ in ids]
    rows = ((pk, agreement) for pk, linked in zip(ids, links, strict=True) for agreement in linked)
    write.fill(Recommendation.agreements.through, "recommendation_id agreement_id", rows, size * 6 // 5)
    rows = (
        (pk, components[(linked[0] - agreements[0]) * COMPONENTS_OF_EACH + make.choice(range(COMPONENTS_OF_EACH))])
        for pk, linked in zip(ids, links, strict=True)
        if linked and make.chance(0.5)
    )
    write.fill(Recommendation.components.through, "recommendation_id component_id", rows, size // 2)
    rows = ((pk, sector) for pk in ids for sector in make.random.sample(sectors, 1 + make.chance(0.2)))
    write.fill(Recommendation.sectors.through, "recommendation_id sector_id", rows, size * 6 // 5)
    write.fill(
        Addressee,
        "recommendation_id party_id role response responded_on response_text uid",
        addressee_rows(ids, parties, make),
        size * 8 // 5,
    )
    updates = write.ids(ProgressUpdate, size * 5)
    evidence: list[tuple] = []
    write.fill(
        ProgressUpdate,
        "id uid recommendation_id kind status progress_percent reported_on narrative reason party_id author_id review reviewed_by_id "
        "reviewed_at voided_at voided_by_id void_reason closes",
        update_rows(ids, iter(updates), make, parties, analysts, reviewers, sources, evidence),
        size * 4,
    )
    write.fill(Evidence, "update_id source_id uid locator quote", evidence, len(evidence))


def participation_rows(agreements: range, parties: range, make: Maker) -> Iterator[tuple]:
    """Most agreements have two parties, some have 12, and a few have 200."""
    for n, pk in enumerate(agreements):
        if n % 133 == 66:
            members = make.random.sample(parties, 200)
        elif n % 20 == 1:
            members = make.random.sample(parties, 12)
        else:
            first, second = make.skewed_choice(parties), make.skewed_choice(parties)
            members = [first, second if second != first else parties[(first - parties[0] + 1) % len(parties)]]
        for party in members:
            yield pk, party, "observer" if make.chance(0.02) else "party", make.uid(), make.day(-2900, -100)


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
    for recommendation in ids:
        number = make.choice([0, 1, 2, 3, 4, 4, 5, 6, 7, 8])
        status, day, step = Status.NOT_ASSESSED, -make.choice(range(40, 1500)), 0
        for left in reversed(range(number)):
            day, roll = day + step, make.random.random()
            step = -day // (left + 1)
            pk, reported_on = next(updates), make.days[day]
            kind = "assessment" if roll < 0.75 else "claim" if roll < 0.9 else "note"
            new_status = make.choice(make.next[status]) if kind != "note" else ""
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
                evidence.append((pk, make.skewed_choice(sources), make.uid(), f"p. {pk % 90 + 1}", make.texts[pk % 500][:120]))
            if kind == "assessment" and review == "approved" and not voided:
                status = new_status


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.build", description="Fill the database of DATABASE_URL with benchmark data.")
    parser.add_argument("--recommendations", type=int, default=5_000, metavar="N")
    parser.add_argument("--force", action="store_true", help="even if the database contains agreements")
    options = parser.parse_args()
    if Agreement.objects.exists() and not options.force:
        sys.exit("This database contains agreements. Set another DATABASE_URL, or use --force to add to it.")
    try:
        build(options.recommendations, show=sys.stderr.isatty())
    except BuildError as error:
        sys.exit(str(error))
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")


if __name__ == "__main__":
    main()
