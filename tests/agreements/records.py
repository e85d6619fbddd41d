"""Short ways to write the records that standing is calculated from."""

import json
from dataclasses import replace
from datetime import date
from itertools import count

from django.conf import settings

from agreements.standing import Action, AgreementRecord, Condition


def fixture_texts() -> dict[str, AgreementRecord]:
    """The agreements of the fixture files, each with everything that its standing depends on."""
    parties = json.loads((settings.BASE_DIR / "fixtures" / "parties.json").read_text())
    names = {row["fields"]["code"]: row["fields"]["name"] for row in parties}
    rows = [(row["model"], row["fields"]) for row in json.loads((settings.BASE_DIR / "fixtures" / "agreements.json").read_text())]

    def of(model: str, slug: str) -> list[dict]:
        return [f for m, f in rows if m == f"agreements.{model}" and f["agreement"] == [slug]]

    def key(value: list[str] | None) -> str:
        return value[0] if value else ""

    found = {}
    for model, agreement in rows:
        if model == "agreements.agreement":
            slug = agreement["slug"]
            acts = [
                Action(
                    f["uid"],
                    f["kind"],
                    key(f["party"]),
                    f["acted_on"],
                    f["effective_on"],
                    key(f["counterparty"]),
                    frozenset(map(key, f["targets"])),
                )
                for f in of("treatyaction", slug)
            ]
            asked = [
                Condition(f["uid"], f["kind"], f["number"], frozenset(map(key, f["parties"])), f["fixed_on"], f["delay"], f["text"])
                for f in of("entryintoforcecondition", slug)
            ]
            named = {}
            for f in of("participation", slug):
                named.setdefault(key(f["party"]), set()).add(f["role"])
            force = agreement["legal_force"] == "non_binding"
            complete = agreement["actions_complete_as_of"]
            found[slug] = AgreementRecord(
                slug=slug,
                actions=tuple(acts),
                non_binding=force,
                expires_on=agreement["expires_on"],
                participants=named,
                conditions=tuple(asked),
                later_joiner_delay=agreement["later_joiner_delay"],
                actions_complete_as_of=date.fromisoformat(complete) if complete else None,
                title=agreement["short_title"] or agreement["title"],
                names=names,
            )
    for model, relation in rows:
        if model == "agreements.agreementrelation" and relation["kind"] == "accession_to":
            (protocol,), (slug,) = relation["from_agreement"], relation["to_agreement"]
            found[slug] = replace(found[slug], protocols=(*found[slug].protocols, found[protocol]))
    return found


TEXTS = fixture_texts()


number = count(1)


def act(kind: str, party: str = "", acted_on: str = "", effective_on: str = "", **fields) -> Action:
    return Action(f"{next(number):04}", kind, party, acted_on, effective_on, **fields)


FORCE = act("entry_into_force", acted_on="2016-11-04")
