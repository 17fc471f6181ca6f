"""What calls in OpenAI's shapes may hold: nothing that they do not name, as at the service."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from ninja import Field, Schema
from pydantic import AfterValidator, ConfigDict, StringConstraints

from project.provider.pieces import bearable

KEYS_MOST = 16
Text64 = Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(bearable)]
Text512 = Annotated[str, StringConstraints(max_length=512), AfterValidator(bearable)]
Number = int | Annotated[float, Field(allow_inf_nan=False)]
Metadata = Annotated[dict[Text64, Text512], Field(max_length=KEYS_MOST)]
Value = bool | Number | Text512
Attributes = Annotated[dict[Text64, Value], Field(max_length=KEYS_MOST)]
FileIds = Annotated[list[str], Field(max_length=2_000)]


class Given(Schema):
    """A body: whatever it holds beside its fields is refused."""

    model_config = ConfigDict(extra="forbid")


class Static(Given):
    max_chunk_size_tokens: int = Field(ge=100, le=4_096)
    chunk_overlap_tokens: int = Field(ge=0, le=2_048)


class Chunking(Given):
    """Taken and checked; how documents are cut is the index's to say, and told with each file."""

    type: Literal["auto", "static"]
    static: Static | None = None


class Comparison(Given):
    type: Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"]
    key: Text64
    value: Value | Annotated[list[Value], Field(max_length=1_000)]


class Compound(Given):
    type: Literal["and", "or"]
    filters: list[Comparison | Compound] = Field(min_length=1, max_length=100)


Filters = Comparison | Compound


class Ranking(Given):
    """Lectern ranks in its own way; the threshold holds for its scores."""

    ranker: Literal["none", "auto", "default-2024-11-15", "default-2024-08-21"] = "auto"
    score_threshold: float = Field(0, ge=0, le=1)
    hybrid_search: dict[str, Any] | None = None


class Page(Schema):
    """Which part of a list is wanted."""

    after: str = ""
    before: str = ""
    limit: int = Field(20, ge=1, le=100)
    order: Literal["asc", "desc"] = "desc"
