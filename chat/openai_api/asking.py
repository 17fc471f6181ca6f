"""What both shapes share: who is asked, what is wished of the model, and what an answer from documents cannot do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from django.http import StreamingHttpResponse
from ninja import Field

from chat.answering import afford, chat_model
from chat.events import Question
from project.api import ApiError
from project.deployments import Deployment, DeploymentsError, UnknownDeployment, chosen
from project.spending import BudgetSpent

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
Temperature = Annotated[float, Field(ge=0, le=2)]
TopP = Annotated[float, Field(ge=0, le=1)]
TOOLS_OF_NOBODY = "No language model is set up here: nobody could call a tool."
JSON_OF_NOBODY = "No language model is set up here: answers are sentences of the documents, and never JSON."


def none_if_empty(value: Any) -> Any:
    """Programs send an empty list where they mean nothing."""
    return None if value in ([], {}) else value


FunctionName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
Schema = dict[str, Any] | None


def deployment_named(name: str) -> Deployment | None:
    """Who answers; None where no model does. Raises ApiError."""
    try:
        return chosen(name)
    except UnknownDeployment as exc:
        raise ApiError(404, "model_not_found", str(exc), "Use default.", "model") from exc
    except DeploymentsError as exc:
        raise ApiError(502, "misconfigured", "The models cannot be used as they are set up.") from exc


def unsupported(param: str, sentence: str, advice: str = "") -> ApiError:
    return ApiError(400, "unsupported_parameter", sentence, advice, param)


def check_model(deployment: Deployment | None, *, tools: bool, logprobs: bool) -> None:
    """Whether the model can do what is wished: call the program's own tools, tell how likely its words were."""
    if tools and deployment is None:
        raise unsupported("tools", TOOLS_OF_NOBODY, "Leave them out.")
    cannot_call = deployment is not None and deployment.base.tools is False
    cannot_tell = deployment is None or deployment.base.family == "reasoning"
    for name, is_refused in (("tools", tools and cannot_call), ("logprobs", logprobs and cannot_tell)):
        if is_refused:
            raise unsupported(name, f"Unsupported parameter: '{name}' is not supported with this model.")


async def check_affordable(question: Question) -> None:
    """Before anything is said: a stream that has begun can no longer be refused."""
    try:
        await afford(question, chat_model(question))
    except BudgetSpent as exc:
        raise ApiError(429, "insufficient_quota", str(exc), retry_after=exc.retry_after) from exc


def event_stream(body: AsyncIterator[str]) -> StreamingHttpResponse:
    # With its charset told, it is not looked for in the header and the settings with each piece.
    response = StreamingHttpResponse(body, content_type="text/event-stream", charset="utf-8")
    response["Cache-Control"] = "private, no-store, no-transform"
    response["X-Accel-Buffering"] = "no"
    return response
