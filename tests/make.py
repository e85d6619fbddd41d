"""Records for tests: complete, published, and as small as they can be."""

from itertools import count

from agreements.models import Agreement, Component, Party, Source
from recommendations.models import Recommendation

number = count(1)


def make_party(code: str = "AUS", **fields) -> Party:
    return Party.objects.get_or_create(code=code, defaults={"name": code.title(), "kind": "state"} | fields)[0]


def make_source(**fields) -> Source:
    return Source.objects.create(**{"slug": f"source-{next(number)}", "kind": "news", "publication": "published"} | fields)


def make_agreement(**fields) -> Agreement:
    slug = fields.pop("slug", f"agreement-{next(number)}")
    return Agreement.objects.create(**{"slug": slug, "title": slug, "publication": "published"} | fields)


def make_component(agreement: Agreement, **fields) -> Component:
    slug = fields.pop("slug", f"component-{next(number)}")
    return Component.objects.create(**{"slug": slug, "title": slug, "agreement": agreement, "publication": "published"} | fields)


def make_recommendation(*agreements: Agreement, **fields) -> Recommendation:
    slug = fields.pop("slug", f"recommendation-{next(number)}")
    made = Recommendation.objects.create(**{"slug": slug, "key_action": slug, "publication": "published"} | fields)
    made.agreements.set(agreements)
    return made
