"""One call to a deployment."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from project.deployments import Deployment
from project.parameters import Wanted
from project.provider.pieces import Piece
from project.spending import Payer


@dataclass(frozen=True)
class Call:
    """What is asked of which deployment, for whom, and how long the caller has patience."""

    deployment: Deployment
    wanted: Wanted
    payer: Payer
    patience_s: float = 60.0  # for waiting in line and for tries before the first byte
    is_urgent: bool = True  # A person waits. Ingestion and batches stand behind.
    data_sources: Sequence[Mapping[str, Any]] = ()  # Azure searches itself: Chat Completions alone
    hosted_tools: Sequence[Mapping[str, Any]] = ()  # file_search, code_interpreter: Responses alone


async def stream(call: Call) -> AsyncGenerator[Piece]:
    """Yield the answer's pieces, and last Tokens. Raises ProviderError."""
    raise NotImplementedError
    yield ""
