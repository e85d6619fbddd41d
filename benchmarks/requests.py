"""The requests that are measured. A new one is a line here; a rival that does not answer it is left out of its `ways`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote, urlencode

from agreements.models import Agreement
from benchmarks.client import message
from benchmarks.users import Reader
from policytracker.representation.keyset import Column, encode_cursor
from policytracker.resources import today
from recommendations.models import Recommendation

API = "/api/v1"
PAGE, DEEP_PAGE = 50, 2_000
OURS, HAND, PLAIN = "ours", "hand", "plain"
BOTH, ALL = (OURS, HAND), (OURS, HAND, PLAIN)
EDITORS = ("administrator", "analyst")
# Fields that differ between two writes of the same content.
IDENTITY = {"uid", "url", "version", "created_at", "updated_at", "reviewed_at", "slug", "recommendation"}


@dataclass(frozen=True)
class Request:
    """A request of one user to one way of serving it: `texts` are variants, sent in turn. A write uses each only once."""

    name: str
    texts: dict[str, list[bytes]]  # by way
    compare: Callable[[Any], Any] | None = None  # the part of the JSON that is the same in every way
    target: float | None = None  # for the ratio hand : ours
    plain_target: float | None = None  # for the ratio plain : ours
    seconds: float = 0.4  # of a round, for each way
    writes: bool = False
    once: bool = False  # too slow to repeat in every round


def page_content(body: Any) -> Any:
    """Count and records of a page; the links differ."""
    return {"results": body["results"], "more": body["next"] is not None}


def page_of_hits(body: Any) -> Any:
    return page_content(body) | {"counts": body["counts"]}


def written(body: Any) -> Any:
    """What was written, without what each write makes new."""
    if isinstance(body, list):
        return [written(entry) for entry in body]
    if isinstance(body, dict):
        return {name: written(value) for name, value in body.items() if name not in IDENTITY}
    return body


@dataclass(frozen=True)
class Plan:
    """The requests of one reader."""

    reader: Reader
    list_size: int = 500

    def requests(self) -> Iterator[Request]:
        yield from self.lists()
        yield from self.details()
        yield from self.reports()
        yield from self.pages()
        yield from self.exports()
        if self.reader.role in EDITORS:
            yield from self.writes()

    # ---- reads

    def get(self, name: str, paths: list[str] | dict[str, list[str]], ways: tuple[str, ...] = (OURS,), **options: Any) -> Request:
        """GET requests; a dict has the paths of each way where they differ."""
        if not isinstance(paths, dict):
            paths = dict.fromkeys(ways, paths)
        texts = {way: [message(f"{API}/{path}", self.reader.token) for path in paths[way]] for way in ways}
        return Request(name, texts, **options)

    def lists(self) -> Iterator[Request]:
        def page(name: str, query: dict[str, str], **options: Any) -> Request:
            return self.get(name, [f"recommendations/{f'?{urlencode(query)}' if query else ''}"], ALL, compare=page_content, **options)

        limit = 1 / 1.5
        yield page("list", {}, target=0.7, plain_target=6)
        yield page("list, status=in_progress", {"status": "in_progress"})
        yield page("list, status=withdrawn", {"status": "withdrawn"})
        yield page("list, party= (few)", {"party": "p-240"}, target=limit)
        yield page("list, party= (many)", {"party": "p-001"}, target=limit)
        yield page("list, overdue=true", {"overdue": "true"}, target=limit)
        yield page("list, due_within=30", {"due_within": "30"}, target=limit)
        yield page("list, deadline_state=due_soon", {"deadline_state": "due_soon"}, target=limit)
        yield page("list, freshness=stale", {"freshness": "stale"}, target=limit)
        yield page("list, without=evidence", {"without": "evidence"}, target=limit)
        yield page("list, ordering=-due_on", {"ordering": "-due_on"})
        number, slug, cursor = self.deep_page
        paths = {
            OURS: [f"recommendations/?cursor={quote(cursor)}"],
            HAND: [f"recommendations/?after={slug}"],
            PLAIN: [f"recommendations/?page={number}"],
        }
        yield self.get(f"list, page {number:,}", paths, ALL, compare=page_content)

    @cached_property
    def deep_page(self) -> tuple[int, str, str]:
        """The number of a page far from the beginning, the last slug before it, and the cursor that leads to it."""
        rows = Recommendation.objects.visible_to(self.reader.user).order_by("slug").values_list("slug", flat=True)
        number = min(DEEP_PAGE, rows.count() // PAGE)
        slug = rows[(number - 1) * PAGE - 1]
        return number, slug, encode_cursor(True, [slug], [Column("slug")], "recommendations")

    def details(self) -> Iterator[Request]:
        paths = [f"recommendations/{slug}/" for slug in self.reader.recommendations]
        yield self.get("detail", paths, ALL, compare=lambda body: body, target=0.4, plain_target=8)

    def reports(self) -> Iterator[Request]:
        scorecards = [f"agreements/{slug}/scorecard/" for slug in self.reader.agreements]
        yield self.get("scorecard", scorecards, BOTH, compare=lambda body: body, target=0.25)
        for group in ("agreement", "party", "sector"):
            name = f"summary, group_by={group}"
            yield self.get(name, [f"summary/?group_by={group}"], BOTH, compare=page_content, target=1 / 3, seconds=1)
        large = self.reader.large_agreements[:3]
        yield self.get("standing of 200 parties", [f"agreements/{slug}/standing/" for slug in large])
        yield self.get("dossier", [f"agreements/{slug}/dossier/" for slug in self.reader.agreements[:20]])
        yield self.get("checks", ["checks/"], seconds=1)
        yield self.get("checks of one rule", ["checks/?rule=status_differs_from_standing"], seconds=1)
        words = ["treaty", "border+health", "babababa", "gandor", "%22data+energy%22", "skills+-port"]
        yield self.get("search", [f"search/?q={word}" for word in words], seconds=1)
        # Hits of one type, so that the rival needs the title and the words of one table. Both count those of all types.
        of_one_type = [f"search/?q={word}&type=recommendations" for word in words]
        yield self.get("search, type=recommendations", of_one_type, BOTH, compare=page_of_hits, target=1, seconds=1)

    def exports(self) -> Iterator[Request]:
        name, query = "export as CSV, party= (few)", {"format": "csv", "party": "p-240"}
        yield self.get(name, [f"recommendations/?{urlencode(query)}"], BOTH, seconds=1)
        if self.reader.role == "administrator":
            yield self.get("export as CSV, whole register", ["recommendations/?format=csv"], BOTH, once=True)

    # ---- pages of the admin

    def pages(self) -> Iterator[Request]:
        def ids(model: Any, slugs: list[str]) -> list[int]:
            return list(model.objects.filter(slug__in=slugs).values_list("pk", flat=True))

        def pages(name: str, paths: list[str]) -> Request:
            return Request(
                f"admin: {name}", {OURS: [message(f"/admin/{path}", session=self.reader.session) for path in paths]}, seconds=0.8
            )

        yield pages("home", [""])
        yield pages("list of recommendations", ["recommendations/recommendation/"])
        yield pages("list of agreements", ["agreements/agreement/"])
        chosen = ids(Recommendation, self.reader.recommendations[:20])
        yield pages("a recommendation", [f"recommendations/recommendation/{pk}/change/" for pk in chosen])
        yield pages("an agreement", [f"agreements/agreement/{pk}/change/" for pk in ids(Agreement, self.reader.agreements[:20])])

    # ---- writes

    def writes(self) -> Iterator[Request]:
        update = {"status": "in_progress", "progress_percent": 40, "narrative": "The second site has been chosen."}
        body = json.dumps(update).encode()
        slugs = self.open_recommendations
        share = len(slugs) // 2
        texts = {
            way: [
                message(f"{API}/recommendations/{slug}/progress/", self.reader.token, "POST", body) for slug in slugs[n * share :][:share]
            ]
            for n, way in enumerate(BOTH)
        }
        yield Request("submit an update", texts, written_by_kind, target=0.3, writes=True)
        texts = {way: [self.new_list(way, number) for number in range(6)] for way in ALL}
        yield Request(f"POST of a list of {self.list_size}", texts, written, writes=True, once=True)

    @cached_property
    def open_recommendations(self) -> list[str]:
        """Recommendations whose status is repeated by an update of today that no second person must approve."""
        rows = Recommendation.objects.visible_to(self.reader.user).exclude(publication="archived")
        rows = rows.filter(status="in_progress", priority__in=["medium", "low", "unset"], last_update_on__lt=today())
        offset = EDITORS.index(self.reader.role)  # each reader has its own
        return list(rows.order_by("-id").values_list("slug", flat=True)[offset : 2 * 2000 : len(EDITORS)])

    def new_list(self, way: str, number: int) -> bytes:
        prefix = f"{NEW}{way}-{self.reader.role}-{number}-{abs(hash(self.reader.token))}"
        rows = [
            {
                "slug": f"{prefix}-{n:03}",
                "key_action": f"Extend the survey of harbour {n}",
                "details": "Every harbour reports once a year.",
                "priority": "medium",
                "due_on": "2031-06",
                "agreements": [self.reader.agreements[n % len(self.reader.agreements)]],
            }
            for n in range(self.list_size)
        ]
        return message(f"{API}/recommendations/", self.reader.token, "POST", json.dumps(rows).encode())


NEW = "benchmark-"  # the slugs of created recommendations begin with it; they are drafts, and deleted at the end


def written_by_kind(body: Any) -> Any:
    """The update, and the names of the fields of the recommendation: each way gets other recommendations."""
    return {"update": written(body["update"]), "recommendation": sorted(body["recommendation"])}
