"""The template tags of help: `term`, a word with its meaning, and `is_fictional`, whether a record is demonstration data."""

from __future__ import annotations

from typing import Any

from django import template
from django.urls import reverse
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from policytracker.dataset import demo
from policytracker.guides.documents import glossary
from policytracker.guides.rendering import term_html
from policytracker.records.models import Record

register = template.Library()


@register.simple_tag
def term(name: str, shown: str = "") -> SafeString:
    """A word of the glossary with its meaning, which appears on hover and focus; `shown` is the text to show. Once per page."""
    meaning = glossary().get(name)
    if not meaning:
        return mark_safe(escape(shown or name))  # noqa: S308 - escaped
    return mark_safe(term_html(name, meaning, reverse("guide", args=["glossary"]), shown))  # noqa: S308 - term_html escapes its texts


@register.filter
def is_fictional(record: Any) -> bool:
    """Whether a record is demonstration data."""
    return isinstance(record, Record) and record.pk is not None and demo.is_fictional(record)
