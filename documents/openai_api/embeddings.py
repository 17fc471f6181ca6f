"""`/v1/embeddings`: vectors of the model that searches here."""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from django.conf import settings
from ninja import Field, Router

from documents.embeddings import LOCAL_DIMENSIONS, LOCAL_MODEL, EmbeddingBusy, EmbeddingError, embedder, model_name
from documents.embeddings.remote import RemoteEmbedder
from documents.openai_api.given import Given
from project import provider, spending
from project.api import ApiError, SignedCall, reading
from project.spending import BudgetSpent, Payer
from project.tokens import count_tokens, text_of_tokens

router = Router(tags=["embeddings"])

INPUTS_MOST, INPUT_TOKENS, CALL_TOKENS = 2_048, 8_192, 300_000
Token = Annotated[int, Field(ge=0)]
Tokens = Annotated[list[Token], Field(min_length=1, max_length=INPUT_TOKENS)]
Texts = Annotated[list[str], Field(min_length=1, max_length=INPUTS_MOST)]


class EmbeddingsIn(Given):
    input: str | Texts | Tokens | Annotated[list[Tokens], Field(min_length=1, max_length=INPUTS_MOST)]
    model: str
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = Field(None, ge=1)
    user: str = ""


@dataclass(frozen=True)
class Model:
    """A model that can be asked for vectors, by its own name in a call and by the one that indexes know it by."""

    name: str
    held_as: str


def embedding_models() -> list[Model]:
    """The model that searches here; none where there is only search by words."""
    held = model_name()
    if not held:
        return []
    return [Model(LOCAL_MODEL if held == LOCAL_MODEL else provider.embedding_model()[1], held)]


@router.post("/embeddings", auth=reading)
def embeddings(request: SignedCall, payload: EmbeddingsIn):
    """A vector of unit length for each input, as the index here holds them."""
    model = _model(payload.model)
    texts = _texts(payload.input)
    counts = [count_tokens(text) for text in texts]
    _check_size(texts, counts)
    payer = Payer("embedding", request.user.pk, request.auth.pk)
    vectors, tokens = _embedded(model, texts, payload.dimensions, payer)
    tokens = tokens or sum(counts)
    data = [
        {"object": "embedding", "index": place, "embedding": _written(vector, payload.encoding_format)}
        for place, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": model.name, "usage": usage}


def _model(asked: str) -> Model:
    for model in embedding_models():
        if asked in {"default", model.name, model.held_as}:
            return model
    known = ", ".join(model.name for model in embedding_models()) or "none"
    advice = f"Models for embeddings here: {known}."
    raise ApiError(404, "model_not_found", f"There is no embedding model {asked[:80]!r}.", advice, "model")


def _texts(asked: str | list[str] | list[int] | list[list[int]]) -> list[str]:
    """Tokens are those of cl100k_base, as clients count for OpenAI's embedding models."""
    if isinstance(asked, str):
        return [asked]
    rows = [asked] if isinstance(asked[0], int) else asked
    try:
        return [row if isinstance(row, str) else text_of_tokens(row) for row in rows]  # type: ignore[arg-type]
    except ValueError as exc:
        raise ApiError(400, "invalid_value", "The input holds what is no token of cl100k_base.", "", "input") from exc


def _check_size(texts: list[str], counts: list[int]) -> None:
    if not all(texts):
        raise ApiError(400, "invalid_value", "An input is empty.", "Leave empty texts out.", "input")
    if max(counts) > INPUT_TOKENS:
        place = counts.index(max(counts))
        sentence = f"Input {place} has {counts[place]:,} tokens; the most is {INPUT_TOKENS:,}."
        raise ApiError(400, "context_length_exceeded", sentence, "Shorten it.", "input")
    if sum(counts) > CALL_TOKENS:
        sentence = f"The inputs have {sum(counts):,} tokens together; the most is {CALL_TOKENS:,}."
        raise ApiError(400, "max_tokens_per_request", sentence, "Send them in several calls.", "input")


def _embedded(model: Model, texts: list[str], dimensions: int | None, payer: Payer) -> tuple[list[np.ndarray], int]:
    """The vectors, and their tokens as the service counted them; 0 for what this machine did."""
    if model.held_as == LOCAL_MODEL:
        if dimensions not in (None, LOCAL_DIMENSIONS):
            sentence = f"The model {model.name} makes vectors of {LOCAL_DIMENSIONS} numbers."
            raise ApiError(400, "unsupported_value", sentence, "Leave dimensions out.", "dimensions")
        return list(embedder(LOCAL_MODEL).embed(texts)), 0
    found: dict[int, np.ndarray] = {}
    tokens = 0
    try:
        spending.check(payer)
        for part in RemoteEmbedder(model.held_as, dimensions or settings.EMBEDDING_DIMENSIONS, 0, payer).parts(texts):
            found |= part.vectors
            tokens += part.tokens
    except BudgetSpent as exc:
        raise ApiError(429, "insufficient_quota", str(exc), retry_after=exc.retry_after) from exc
    except EmbeddingBusy as exc:
        raise ApiError(503, "busy", str(exc), retry_after=math.ceil(exc.retry_after)) from exc
    except EmbeddingError as exc:
        status, param = (400, "dimensions") if dimensions else (502, None)
        raise ApiError(status, getattr(exc, "code", "embedding_failed"), str(exc), "", param) from exc
    return [found[place] for place in range(len(texts))], tokens


def _written(vector: np.ndarray, form: str) -> str | list[float]:
    if form == "base64":
        return base64.b64encode(vector.astype("<f4").tobytes()).decode()
    numbers: list[float] = vector.astype(float).tolist()
    return numbers
