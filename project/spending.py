"""What calls to models cost, who pays, and when it is enough."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True)
class Payer:
    """For whom and for what a call is made."""

    purpose: str = "answer"  # answer, rewrite, summary, embedding, moderation, batch, evaluation
    user_id: int | None = None
    api_key_id: int | None = None
    collection_id: UUID | None = None  # when the whole question was put to one collection
