"""What a request asks: checked as the service checked it, all faults told at once, and made into a Question."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import close_old_connections
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chat.completions import MessageIn, said
from chat.events import Question
from chat.grounding.data_sources import DataSource, DataSourceError, data_source, faults_of
from chat.on_your_data import errors, spelling
from chat.on_your_data.finding import QUERIES, TOP, Finder, Wishes
from chat.on_your_data.sources import SourceError, place_of
from chat.on_your_data.strictness import USUAL
from project.api import ApiError
from project.deployments import UnknownDeployment, chosen, deployments
from project.provider.pieces import bearable

USUAL_CONTEXTS = ("citations", "intent")
WISHES = ("temperature", "top_p", "presence_penalty", "frequency_penalty", "logit_bias", "seed", "stop")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class Message(_Part):
    """What a program says back may hold what it was told: the context and the end of a turn. It is not read again."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[dict[str, Any]] | None = None
    name: str | None = None
    context: dict[str, Any] | None = None
    end_turn: bool | None = None
    index: int | None = None
    refusal: str | None = None
    tool_call_id: str | None = None


class StreamOptions(_Part):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class ResponseFormat(_Part):
    type: Literal["text"]


Penalty = Annotated[float, Field(ge=-2, le=2)]
Count = Annotated[int, Field(ge=1)]


class Body(_Part):
    """All but the data sources. Tools and log probabilities did not go with them, and are refused as they were."""

    messages: Annotated[list[Message], Field(min_length=1, max_length=500)]
    model: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    logit_bias: dict[str, int] | None = None
    seed: int | None = None
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None
    n: Literal[1] | None = None
    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    response_format: ResponseFormat | None = None
    user: str | None = None


@dataclass(frozen=True)
class Asked:
    """A request that can be answered. Without data sources there is no `finder`: all the key may read is searched."""

    question: Question
    finder: Finder | None
    contexts: tuple[str, ...]
    is_streamed: bool
    is_usage_told: bool


def deployment_of(name: str) -> str:
    """The deployment's name as ours; any name does where no model is set up, so that only address and key change.

    Raises Refusal.
    """
    if not deployments() or name == "default":
        return ""
    try:
        chosen(name)
    except UnknownDeployment as exc:
        raise errors.no_deployment() from exc
    return name


async def asked_of(body: dict[str, Any], deployment: str, user: User, api_key_id: int) -> Asked:
    """Raises Refusal."""
    return await sync_to_async(_asked)(body, deployment, user, api_key_id)


def _asked(body: dict[str, Any], deployment: str, user: User, api_key_id: int) -> Asked:
    is_old = spelling.is_old(body)
    read, source = _checked(body, is_old)
    try:
        finder, collections = _finder(source, user) if source else (None, None)
    except SourceError as exc:
        raise errors.of_data(spelling.as_written(str(exc)) if is_old else str(exc)) from exc
    finally:
        close_old_connections()
    told = _said(read.messages)
    parameters = source.parameters if source else None
    role = bearable(getattr(parameters, "role_information", None) or "")
    question = Question(
        told.text,
        user,
        collections=collections,
        history=told.history,
        instructions="\n".join(filter(None, [role, told.instructions])),
        deployment=deployment,
        grounding="hybrid" if source else "",
        api_key_id=api_key_id,
        find=finder,
        is_open=parameters is not None and parameters.in_scope is False,
        answer_tokens=read.max_completion_tokens or read.max_tokens or 0,
        generation={name: wish for name in WISHES if (wish := getattr(read, name)) is not None},
    )
    contexts = parameters.include_contexts if parameters and parameters.include_contexts is not None else USUAL_CONTEXTS
    is_usage_told = bool(read.stream_options and read.stream_options.include_usage)
    return Asked(question, finder, tuple(contexts), bool(read.stream), is_usage_told)


def _checked(body: dict[str, Any], is_old: bool) -> tuple[Body, DataSource | None]:
    """The request, and its one data source if it has any. Raises Refusal with everything that is wrong."""
    rest = {key: value for key, value in body.items() if value is not None}  # What is null is not there.
    sources = rest.pop("dataSources", None) or rest.pop("data_sources", None)
    given = "dataSources" in body or body.get("data_sources") is not None
    faults: list[str] = []
    read = source = None
    if given:
        try:
            source = data_source(spelling.modern(sources) if is_old else sources)
        except DataSourceError as exc:
            faults += map(spelling.as_written, exc.faults) if is_old else exc.faults
    try:
        read = Body.model_validate(rest)
    except ValidationError as exc:
        faults += faults_of(exc)
    if faults or read is None:
        raise errors.of_data("\n".join(faults))
    return read, source


def _said(messages: list[Message]) -> Any:
    """What a program hands back of tools, and the citations of old answers, is not part of the conversation."""
    spoken = [message for message in messages if message.role not in {"tool", "function"}]
    try:
        return said([MessageIn(role=each.role, content=each.content) for each in spoken])  # type: ignore[arg-type]
    except ApiError as exc:
        if exc.code == "context_length_exceeded":
            raise errors.of_door(400, f"{exc.reason} {exc.advice}", exc.code) from exc
        raise errors.of_data(f"Validation error at #/messages: {exc.reason}") from exc


def _finder(source: DataSource, user: User) -> tuple[Finder, Any]:
    place, parameters = place_of(source, user), source.parameters
    wishes = Wishes(
        strictness=parameters.strictness or USUAL,
        top=parameters.top_n_documents or TOP,
        max_queries=parameters.max_search_queries or QUERIES,
        may_be_partial=bool(parameters.allow_partial_result),
    )
    return Finder(place.search, wishes), place.collections
