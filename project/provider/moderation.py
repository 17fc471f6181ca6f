"""What a service thinks of a text: OpenAI's moderations. Azure has no such address."""

from __future__ import annotations

import logging
from json import JSONDecodeError
from typing import NamedTuple

import httpx2
import openai
from openai.types.moderation import Categories
from pydantic import BaseModel, Field, ValidationError

from project.deployments import Connection
from project.provider.errors import ProviderBusy

log = logging.getLogger(__name__)

MODEL = "omni-moderation-latest"
SECONDS = 10.0
CATEGORIES = tuple(field.alias or name for name, field in Categories.model_fields.items())


class Score(NamedTuple):
    """One category, by the service's name for it; 0..1, and whether the service itself would stop it."""

    category: str
    score: float
    is_flagged: bool


class _Result(BaseModel):
    categories: dict[str, bool | None]
    category_scores: dict[str, float | None]


class _Reply(BaseModel):
    results: list[_Result] = Field(min_length=1)


async def scores(connection: Connection, text: str) -> list[Score]:
    """Every category, the worst first. Raises ProviderBusy, whatever went wrong: the text could not be checked."""
    try:
        async with openai.AsyncOpenAI(
            base_url=connection.endpoint,
            api_key=connection.key or "none",
            organization=connection.organisation,
            project=connection.project,
            timeout=httpx2.Timeout(SECONDS, connect=3),
            max_retries=1,
        ) as client:
            reply = await client.moderations.create(model=MODEL, input=text)
            result = _Reply.model_validate(reply.model_dump(by_alias=True, warnings=False)).results[0]
    except (openai.APIError, httpx2.HTTPError, JSONDecodeError, ValidationError, AttributeError) as exc:
        log.warning("moderation failed: %s status=%s", type(exc).__name__, getattr(exc, "status_code", None))
        raise ProviderBusy("The moderation service does not answer.") from None
    found = [
        Score(category, score, bool(result.categories.get(category)))
        for category, score in result.category_scores.items()
        if score is not None
    ]
    return sorted(found, key=lambda each: -each.score)
