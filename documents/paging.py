"""Pages of a list that takes long to find."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.utils.functional import cached_property

from project.api import Part


class FoundOnce(Paginator):
    """Rows that no index finds, such as those with a word in their name: looked for once, then counted and cut by their
    ids. A paginator as it comes looks for them twice, and sorts them whole."""

    @cached_property
    def ids(self) -> list[UUID]:
        return list(self.object_list.values_list("pk", flat=True))  # type: ignore[attr-defined]

    @cached_property
    def count(self) -> int:  # type: ignore[override]
        return len(self.ids)

    def page(self, number: Any) -> Page:
        number = self.validate_number(number)
        return Page(self.part((number - 1) * self.per_page, self.per_page), number, self)

    def part(self, first: int, most: int) -> list[Any]:
        ids = self.ids[first : first + most]
        rows = self.object_list.in_bulk(ids)  # type: ignore[attr-defined]
        return [rows[pk] for pk in ids if pk in rows]


def counted(rows: QuerySet[Any], asked: Part, letters: str) -> tuple[int, Iterable[Any]]:
    """How many there are, and the part of them that is asked for; what has these letters is looked for once."""
    if not letters:
        return rows.count(), asked.of(rows)
    found = FoundOnce(rows, asked.limit)
    return found.count, found.part(asked.offset, asked.limit)
