"""The template filter `source_mark`."""

from typing import Any

from django import template

from agreements.source_marks import mark_of

register = template.Library()


@register.filter
def source_mark(record: Any) -> str:
    """The mark of a record that states one fact."""
    return mark_of(record)
