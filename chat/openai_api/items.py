"""Items as they are kept and listed: of responses, and of conversations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal
from uuid import uuid4

from ninja import Field, Schema

from chat.openai_api.responses_given import CALL, OUTPUT
from documents.openai_api.paging import listing
from project.api import ApiError
from project.provider.pieces import bearable

Item = dict[str, Any]
ID_OF = {"message": "msg", CALL: "fc", OUTPUT: "fco"}


class ItemsPage(Schema):
    after: str = ""
    limit: int = Field(20, ge=1, le=100)
    order: Literal["asc", "desc"] = "desc"


def with_ids(items: Sequence[Item]) -> list[Item]:
    return [{"id": f"{ID_OF[item['type']]}_{uuid4().hex}", **item} for item in items]


def page_of_items(items: Sequence[Item], wanted: ItemsPage) -> dict[str, Any]:
    """The part of the list that is wanted, of items with the oldest first. Raises ApiError."""
    rows = list(items) if wanted.order == "asc" else list(items)[::-1]
    at = next((place + 1 for place, item in enumerate(rows) if item["id"] == wanted.after), 0)
    if wanted.after and not at:
        raise ApiError(400, "invalid_value", "There is no such item in this list.", "", "after")
    return listing(rows[at : at + wanted.limit], has_more=len(rows) > at + wanted.limit)


def bearable_in(value: Any) -> Any:
    """The value without what no database takes, at any depth."""
    if isinstance(value, dict):
        return {bearable(str(key)): bearable_in(each) for key, each in value.items()}
    if isinstance(value, list):
        return [bearable_in(each) for each in value]
    return bearable(value) if isinstance(value, str) else value
