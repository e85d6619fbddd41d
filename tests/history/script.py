"""A register, its users, and random writes to it through the API."""

from random import Random
from typing import Any

from agreements.models import Agreement, PartyOfficer
from policytracker.records.access import Role
from policytracker.resources import registry
from recommendations.models import ProgressUpdate
from tests.api.client import Api
from tests.api.world import make_world
from tests.conftest import make_user
from tests.make import make_agreement, make_component, make_party, make_recommendation, make_source

ROLES = [Role.ADMINISTRATOR, Role.REVIEWER, Role.ANALYST, Role.OFFICER, Role.READER]
MODELS = {resource.address: resource.model for resource in registry.addressed}
HIDING = {"visibility": ["public", "public", "internal", "restricted"], "publication": ["draft", "published", "published", "archived"]}
AGREEMENTS = ["aukus", "quad", "extra-0", "extra-1"]


def make_register() -> dict[str, Any]:
    """Creates the records that the script changes. Returns a user of each role."""
    world = make_world()
    make_party("USA")
    for number in range(2):
        extra = make_agreement(slug=f"extra-{number}", legal_force="binding")
        make_component(extra, slug=f"extra-part-{number}", due_anchor="signature", due_offset="P1Y")
    for number in range(6):
        make_recommendation(world.aukus, slug=f"rec-{number}", due_on="2025-06", source=make_source(slug=f"paper-{number}"))
    people = {role: make_user(f"{'an' if role[0] in 'aeiou' else 'a'} {role}", role) for role in ROLES}
    PartyOfficer.objects.create(user=people[Role.OFFICER], party=world.aus)
    Agreement.objects.get(slug="quad").team.set([people[Role.ANALYST]])
    return people


class Script:
    """Random writes through the API, by an administrator or by a person who may make them."""

    def __init__(self, users: dict[str, Any], seed: int = 20261125):
        self.random, self.users = Random(seed), users
        self.admin, self.analyst, self.reviewer = (Api(users[role]) for role in (Role.ADMINISTRATOR, Role.ANALYST, Role.REVIEWER))
        self.number, self.accepted = 0, 0

    def step(self, hiding: bool) -> None:
        writes = [self.edit, self.edit, self.edit, self.link, self.link, self.report, self.report, self.review, self.void, self.create]
        write = self.random.choice([*writes, self.delete, self.hide, self.move] if hiding else writes)
        self.number += 1
        response = write()
        assert response.status_code < 500, response.content
        self.accepted += response.status_code < 300

    def some(self, address: str) -> str:
        model = MODELS[address]
        return str(self.random.choice(model.objects.order_by("pk").values_list(model.key, flat=True) or ["none"]))

    def patch(self, address: str, body: dict, **headers):
        return self.admin.patch(f"{address}/{self.some(address)}/", body, headers={"X-Change-Reason": f"Step {self.number}"} | headers)

    def edit(self):
        text, day = f"Step {self.number}", f"20{self.random.randint(20, 30)}-0{self.random.randint(1, 9)}"
        return self.patch(
            *self.random.choice([
                ("agreements", {"title": text, "status": self.random.choice(["announced", "signed", "unknown"]), "expires_on": day}),
                ("components", {"status": self.random.choice(["active", "completed", "planned"]), "due_on": day}),
                ("recommendations", {"details": text, "due_on": day, "priority": self.random.choice(["low", "high"]), "source": "gazette"}),
                ("recommendations", {"key_action": text, "update_every": self.random.choice([None, 1, 30]), "owner": "an analyst"}),
                ("parties", {"name": text, "aliases": [text, "same"]}),
                ("sectors", {"name": text}),
                ("sources", {"title": text}),
                ("participations", {"note": text, "since": day}),
                ("treaty-actions", {"acted_on": day, "kind": self.random.choice(["signature", "adoption", "entry_into_force"])}),
                ("commitments", {"amount": str(self.number), "stated_on": day}),
                ("citations", {"quote": text}),
                ("addressees", {"response": self.random.choice(["noted", "accepted"]), "quote": text, "source": "gazette"}),
                ("milestones", {"title": text, "due_on": day}),
                ("measurements", {"value": str(self.number)}),
            ])
        )  # fmt: skip

    def link(self):
        some = lambda keys: self.random.sample(keys, self.random.randint(0, len(keys)))  # noqa: E731
        return self.patch(
            *self.random.choice([
                ("recommendations", {"agreements": some(AGREEMENTS)}),
                ("recommendations", {"sectors": some(["energy", "water"]), "components": some(["pillar-one"])}),
                ("agreements", {"sectors": some(["energy", "water"])}),
                ("components", {"lead_parties": some(["AUS", "GBR", "USA"])}),
                ("entry-into-force-conditions", {"parties": some(["AUS", "GBR", "USA"])}),
            ])
        )  # fmt: skip

    def create(self):
        name, agreement, party = f"made-{self.number}", self.random.choice(AGREEMENTS), self.random.choice(["AUS", "USA"])
        address, body = self.random.choice([
            ("recommendations", {"slug": name, "key_action": name, "agreements": [agreement], "publication": "published"}),
            ("components", {"slug": name, "agreement": agreement, "title": name, "publication": "published"}),
            ("treaty-actions", {"agreement": agreement, "kind": "signature", "party": "USA", "acted_on": f"20{self.number % 30 + 10}"}),
            ("participations", {"agreement": agreement, "party": party, "role": "party", "since": str(1700 + self.number)}),
            ("addressees", {"recommendation": self.some("recommendations"), "party": "GBR"}),
            ("milestones", {"recommendation": self.some("recommendations"), "title": name, "due_on": "2027"}),
            ("commitments", {"agreement": agreement, "stage": "announced", "amount": "5", "currency": "USD"}),
            ("citations", {"agreement": agreement, "source": "communique", "quote": name}),
            ("sectors", {"code": name, "name": name}),
        ])  # fmt: skip
        return self.admin.post(f"{address}/", body)

    def report(self):
        kind = self.random.choice(["assessment", "assessment", "claim", "note"])
        body = {"kind": kind, "narrative": f"Step {self.number}", "reported_on": f"2025-0{self.random.randint(1, 9)}-01", "reason": "Then."}
        body |= {"evidence": [{"source": "gazette", "quote": f"Step {self.number}"}], "submit": self.random.random() < 0.8}
        if kind != "note":
            body |= {"status": self.random.choice(["planned", "in_progress", "stalled", "implemented"])}
        if kind == "claim":
            body |= {"party": "AUS"}
        return self.analyst.post(f"recommendations/{self.some('recommendations')}/progress/", body)

    def update(self, **filters) -> str:
        rows = ProgressUpdate.objects.filter(**filters).order_by("pk").values_list("uid", flat=True)
        return str(self.random.choice(list(rows) or ["none"]))

    def review(self):
        action = self.random.choice(["approve", "approve", "return"])
        return self.reviewer.post(f"progress-updates/{self.update(review='submitted')}/{action}/", {"note": "Read."})

    def void(self):
        update = self.update(review="approved", voided_at=None)
        return self.reviewer.post(f"progress-updates/{update}/void/", {"reason": f"Step {self.number}"})

    def delete(self):
        address = self.random.choice(
            ["treaty-actions", "participations", "addressees", "milestones", "citations", "commitments", "sectors"]
        )
        if self.random.random() < 0.2:
            return self.analyst.delete(f"progress-updates/{self.update(review__in=['draft', 'returned'])}/")
        return self.admin.delete(f"{address}/{self.some(address)}/")

    def hide(self):
        address, field = self.random.choice(["agreements", "components", "recommendations", "sources"]), self.random.choice([*HIDING])
        value = self.random.choice(HIDING[field])
        return self.patch(
            address, {field: value, "team": self.random.choice([[], ["a reviewer"]])} if address == "agreements" else {field: value}
        )

    def let_in(self):
        """Who can read hidden records changes: teams, owners, parties."""
        roles = ["party", "listed_in_source"]
        return self.patch(
            *self.random.choice([
                ("agreements", {"team": self.random.choice([[], ["a reviewer"], ["an analyst"]])}),
                ("recommendations", {"owner": self.random.choice([None, "an analyst", "a reviewer"])}),
                ("participations", {"party": self.random.choice(["AUS", "USA"]), "role": self.random.choice(roles)}),
                ("participations", {"agreement": self.random.choice(AGREEMENTS)}),
            ])
        )  # fmt: skip

    def move(self):
        return self.patch(
            *self.random.choice([
                ("addressees", {"recommendation": self.some("recommendations")}),
                ("milestones", {"recommendation": self.some("recommendations")}),
                ("participations", {"agreement": self.random.choice(AGREEMENTS)}),
                ("treaty-actions", {"agreement": self.random.choice(AGREEMENTS)}),
            ])
        )  # fmt: skip
