"""Pages of a list that takes long to find."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.paginator import Page, Paginator
from django.utils.functional import cached_property


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
        ids = self.ids[(number - 1) * self.per_page : number * self.per_page]
        rows = self.object_list.in_bulk(ids)  # type: ignore[attr-defined]
        return Page([rows[pk] for pk in ids if pk in rows], number, self)
