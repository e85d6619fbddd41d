"""The words of a record that the full-text search finds, as SQL."""

from __future__ import annotations

from typing import Any

from policytracker.resources import Resource

ENTRIES = "policytracker_searchentry"
# Text search configurations (migration 0002). All ignore case and diacritics.
STEMS = "policytracker_stems"  # English stems of all words: the words of records
WORDS = "policytracker_words"  # whole words: titles, to find them by the beginning of a word
MAX_TEXT = 100_000  # characters of a record's texts; PostgreSQL limits the words of one record to 1 MB
MAX_WORDS = 700_000  # bytes of the words of a long text; only a text with very many different words has more


def title_text(resource: Resource, row: str) -> str:
    """The SQL of the titles of a record as one text. `row` is NEW, OLD or the name of a table."""
    assert resource.search
    return joined(resource, resource.search.titles, row)


def complete_text(resource: Resource, row: str) -> str:
    """The SQL of everything in a record that is searched except its key, as one text; of a long text, the beginning."""
    assert resource.search
    own = joined(resource, (*resource.search.titles, *resource.search.texts), row)
    if not resource.search.within:
        return own
    return (
        f"concat_ws(' · ', {', '.join([own, *(f'left({long_text(resource, name, row)}, {MAX_TEXT})' for name in resource.search.within)])})"
    )


def joined(resource: Resource, names: tuple[str, ...], row: str) -> str:
    columns = []
    for name in names:
        field: Any = resource.model._meta.get_field(name)
        column = f'{row}."{field.column}"'
        columns.append(f"array_to_string({column}, ' · ')" if field.get_internal_type() == "ArrayField" else f"nullif({column}, '')")
    return f"concat_ws(' · ', {', '.join(columns)})" if columns else "''"


def document(resource: Resource, row: str) -> str:
    """The SQL of the words of a record, a tsvector: titles have the weight A, the key B, and texts D."""
    assert resource.search
    model = resource.model
    parts = [(title_text(resource, row), "A")]
    if model.key != "uid":
        parts.append((f'{row}."{model.key}"', "B"))
    vectors = [f"setweight(to_tsvector('{name}', search_text({text})), '{weight}')" for text, weight in parts for name in (STEMS, WORDS)]
    texts = joined(resource, resource.search.texts, row)
    vectors.append(f"setweight(to_tsvector('{STEMS}', search_text(left({texts}, {MAX_TEXT}))), 'D')")
    vectors += [f"setweight(coalesce(words_of_long_text({long_text(resource, name, row)}), ''), 'D')" for name in resource.search.within]
    return " || ".join(vectors)


def long_text(resource: Resource, name: str, row: str) -> str:
    """The SQL of the text in the record that is shown inside a record (`Search.within`)."""
    relation: Any = resource.model._meta.get_field(name)
    inner = relation.related_model
    column, parent = inner._meta.get_field(name).column, relation.field.column
    return f'(SELECT inside."{column}" FROM {inner._meta.db_table} inside WHERE inside."{parent}" = {row}.id)'
