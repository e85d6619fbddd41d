"""Suggestions for a search without hits: the same words, spelled as in titles that the reader may read."""

from __future__ import annotations

import re
from difflib import get_close_matches

from django.db import connection
from django.db.models.functions import Upper

from policytracker.representation.search_query import MAX_LENGTH, parse
from policytracker.resources import ReadContext, registry
from policytracker.search.hits import find

WORDS, TITLES, SUGGESTED = 3, 20, 3  # misspelled words that are looked up, titles of each type with similar words, suggestions
SHORTEST, LONGEST = 4, 30  # letters of a word that is looked up
LOOKED_UP, SIMILARITY = 0.4, 0.7  # similarity of words by trigrams, for the index, and letter by letter; from 0 to 1


def suggestions(context: ReadContext, text: str) -> list[str]:
    """Searches that differ from the text in the spelling of words, and have hits for this reader."""
    words = [word for word in dict.fromkeys(re.findall(r"\w+", text)) if SHORTEST <= len(word) <= LONGEST]
    corrected: list[str] = []
    for word in words[:WORDS]:
        similar = similar_words(context, word)
        if not similar:
            continue
        pattern = re.compile(rf"\b{re.escape(word)}\b")
        corrected = [pattern.sub(other, base) for base in (corrected or [text])[:1] for other in similar]
    return [other for other in corrected if other != text and len(other) <= MAX_LENGTH and has_hits(context, other)][:SUGGESTED]


def similar_words(context: ReadContext, word: str) -> list[str]:
    """Words in titles that are spelled almost like this one, the most similar first."""
    known: set[str] = set()
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('pg_trgm.word_similarity_threshold', %s, true)", [str(LOOKED_UP)])
    for resource in registry.searched:
        if name := resource.search and resource.search.spelling:
            rows = resource.model.objects.visible_to(context.reader).alias(upper=Upper(name)).order_by()
            titles = rows.filter(upper__trigram_word_similar=word.upper()).values_list(name, flat=True)[:TITLES]
            known.update(other.lower() for title in titles for other in re.findall(r"\w+", title))
    return get_close_matches(word.lower(), sorted(known), n=SUGGESTED, cutoff=SIMILARITY)


def has_hits(context: ReadContext, text: str) -> bool:
    return any(find(context, parse(text), registry.searched, 1).counts.values())
