"""A question and its permission in the syntax of Azure AI Search, in which nobody's words may become syntax. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import TypeVar
from uuid import UUID

Item = TypeVar("Item")

QUESTION_LETTERS = 2_000  # of a longer question the beginning and the end are read
CLAUSES = 3_000  # of one search: its words times the fields they are looked up in
SURROGATE = re.compile("[\ud800-\udfff]")
# A minus in front of a word excludes it; inside one it is a hyphen.
OPERATORS = re.compile(r'[+|"()~*\\\x00]|(?<!\w)-')


def sendable(text: str) -> str:
    """Without what no JSON reader takes: half a letter, and the letter nought."""
    return SURROGATE.sub("\ufffd", text).replace("\x00", " ")


def plain(question: str, fields: int) -> str:
    """The words of a question without operators, cut to what `fields` fields can be asked at once; "" without words.

    >>> plain('-rent +"due" (May*) wi-fi~2', 20)
    'rent due May wi-fi 2'
    >>> plain('* " -', 20)
    ''
    """
    if len(question) > QUESTION_LETTERS:
        half = QUESTION_LETTERS // 2
        question = f"{question[:half]} {question[-half:]}"
    words = OPERATORS.sub(" ", sendable(question)).split()
    most = max(CLAUSES // max(fields, 1), 10)
    if len(words) > most:
        words = words[: most - most // 2] + words[-(most // 2) :]
    text = " ".join(words)
    return text if re.search(r"\w", text) else ""


def any_of(field: str, ids: Iterable[UUID | int]) -> str:
    """Takes numbers and UUIDs, nothing else: what a person wrote has no way into a filter.

    >>> any_of("id", [3, 14])
    "search.in(id, '3,14', ',')"
    """
    values = [str(one) if isinstance(one, UUID) else f"{one:d}" for one in ids]
    return f"search.in({field}, '{','.join(values)}', ',')"


def within(collections: Iterable[UUID], documents: Iterable[UUID] | None = None) -> str:
    where = any_of("collection_id", collections)
    return where if documents is None else f"{where} and {any_of('document_id', documents)}"


def without(where: str, documents: Collection[UUID], chunks: Collection[int]) -> str:
    """Narrower by whole documents, and by single chunks of others."""
    parts = [f"not {any_of(field, ids)}" for field, ids in (("document_id", documents), ("id", chunks)) if ids]
    return " and ".join([where, *parts])


def runs(items: Sequence[Item], most: int) -> list[Sequence[Item]]:
    return [items[start : start + most] for start in range(0, len(items), most)]
