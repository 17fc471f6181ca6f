"""The one door to language and embedding models: the only importer of `openai`.

It owns the connections, time limits, tries, quotas and circuits, writes down what calls cost, and turns foreign errors
into ours.
"""

from project.provider.calls import Call, stream
from project.provider.embedding import embed, embedding_model
from project.provider.errors import (
    ProviderBusy,
    ProviderError,
    ProviderInterrupted,
    ProviderMisconfigured,
    ProviderRefused,
    ProviderTooLong,
)
from project.provider.pieces import Cut, Filtered, Finding, Logprobs, Notice, Piece, Retrieved, Tokens, ToolCall

__all__ = [
    "Call",
    "Cut",
    "Filtered",
    "Finding",
    "Logprobs",
    "Notice",
    "Piece",
    "ProviderBusy",
    "ProviderError",
    "ProviderInterrupted",
    "ProviderMisconfigured",
    "ProviderRefused",
    "ProviderTooLong",
    "Retrieved",
    "Tokens",
    "ToolCall",
    "embed",
    "embedding_model",
    "stream",
]
