"""Source marks: the small link beside a fact that opens its sources, with place and quote.

Every page makes its marks here. A script shows the page to which a mark leads in a box beside it (admin.js).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.text import get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from agreements.models import Source
from agreements.source_uses import Use

MOST_USES = 100  # that one mark opens


def source_mark(uses: Iterable[Use], numbers: Mapping[Source, int] | None = None) -> SafeString:
    """A link that opens these uses, "" if there are none. `numbers` are those of the sources in the list at the end of the page."""
    return mark_html([(use.name, use.pk, use.source) for use in uses], numbers)


def mark_of(*records: Any) -> SafeString:
    """The mark of records that state one fact. Their `source` is None or missing for readers who may not read it."""
    return mark_html([(record._meta.model_name, record.pk, record.source) for record in records if getattr(record, "source", None)])


def mark_html(uses: list[tuple[str, int, Source]], numbers: Mapping[Source, int] | None = None) -> SafeString:
    if not uses:
        return SafeString("")
    url = f"{reverse('source_marks')}?{urlencode([(name, pk) for name, pk, _source in uses])}"
    sources = dict.fromkeys(source for _name, _pk, source in uses)
    if numbers is None:
        name = ngettext("Source", "Sources", len(sources))
        return format_html('<a class="pt-source" href="{}" title="{}">{}</a>', url, "; ".join(map(str, sources)), name)
    shown = [str(number) for number in sorted(numbers[source] for source in sources)]
    label = ngettext("Source %(numbers)s", "Sources %(numbers)s", len(shown)) % {"numbers": get_text_list(shown, _("and"))}
    return format_html('<a class="pt-source" href="{}" aria-label="{}">{}</a>', url, label, ", ".join(shown))


class SourceMarks:
    """The marks of a page, which show the numbers of its sources."""

    def __init__(self, uses: Iterable[Use], numbers: Mapping[Source, int] | None = None):
        self.numbers = numbers
        self.by_record: dict[tuple[str, int], list[Use]] = defaultdict(list)
        self.by_whose: dict[tuple[str, str], list[Use]] = defaultdict(list)
        for use in uses:
            self.by_record[use.stated].append(use)
            self.by_whose[use.name, use.whose].append(use)

    def use(self, model: str, pk: int) -> Use | None:
        """The use of a record that states one fact; None without a source that the user may read."""
        return next(iter(self.by_record.get((model, pk), ())), None)

    def of(self, model: str, pk: int, *fields: str) -> SafeString:
        """The mark of these fields of a record; without fields, of the record as a whole and of all that it states."""
        uses = self.by_record.get((model, pk), ())
        return source_mark((use for use in uses if not fields or use.field in fields), self.numbers)

    def of_others(self, model: str, pk: int, *fields: str) -> SafeString:
        """The mark of everything that a record states, except these fields."""
        return source_mark((use for use in self.by_record.get((model, pk), ()) if use.field not in fields), self.numbers)

    def of_actions(self, pks: Iterable[int]) -> SafeString:
        """One mark of these treaty actions together."""
        return source_mark([use for pk in pks for use in self.by_record.get(("treatyaction", pk), ())][:MOST_USES], self.numbers)

    def of_party(self, code: str) -> SafeString:
        """The mark of the participations of a party."""
        return source_mark(self.by_whose.get(("citation", code), ()) if code else (), self.numbers)

    def of_indicator(self, slug: str) -> SafeString:
        """The mark of the measurements of an indicator."""
        return source_mark(self.by_whose.get(("measurement", slug), ()), self.numbers)
