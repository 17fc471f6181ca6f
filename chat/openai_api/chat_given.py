"""What a call of `/v1/chat/completions` may hold."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from ninja import Field
from pydantic import BeforeValidator, ConfigDict, field_validator

from chat.completions import MessageIn, ToolCallIn, check_exchange
from chat.openai_api.asking import (
    JSON_OF_NOBODY,
    Effort,
    FunctionName,
    Schema,
    Temperature,
    TopP,
    check_model,
    none_if_empty,
    unsupported,
)
from documents.openai_api.given import Given, Metadata
from project.deployments import Deployment

PARTS = {"text", "refusal"}
Penalty = Annotated[float, Field(ge=-2, le=2)]
Choice = Literal["none", "auto", "required"]
ANSWERS_MOST = 8  # to one question: each is a call of the model
NOT_HERE = ("functions", "audio", "prediction", "web_search_options")


class Message(MessageIn):
    """A message of words: pictures, sound and files are refused, not left out silently."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = None
    refusal: str | None = None
    tool_calls: Annotated[list[ToolCallIn] | None, BeforeValidator(none_if_empty)] = None
    function_call: None = None
    audio: None = None
    annotations: list[dict[str, Any]] | None = None  # Of an answer that is sent back as it came.
    context: dict[str, Any] | None = None

    @field_validator("content")
    @classmethod
    def holds_words_alone(cls, content: Any) -> Any:
        for part in content if isinstance(content, list) else []:
            if str(part.get("type")) not in PARTS:
                raise ValueError(f"a part of the type {str(part.get('type'))[:40]!r} cannot be read, only text")
            if not isinstance(part.get(part["type"]), str):
                raise ValueError("a part of text must hold text")
        return content


class Function(Given):
    name: FunctionName
    description: str | None = None
    parameters: Schema = None
    strict: bool | None = None


class Tool(Given):
    """A tool of the program's own: the model asks for it, the program uses it."""

    type: Literal["function"]
    function: Function


class Named(Given):
    name: str


class NamedTool(Given):
    """The one tool that must be called."""

    type: Literal["function"]
    function: Named


class StreamOptions(Given):
    include_usage: bool = False
    include_obfuscation: bool = False


class Form(Given):
    """How the answer is to be written; a schema goes to the model's service as it is."""

    type: Literal["text", "json_object", "json_schema"]
    schema_: dict[str, Any] | None = Field(default=None, alias="json_schema")


class ChatIn(Given):
    """Those in the last two groups are taken and change nothing here, as documented, or are refused."""

    model: str = "default"
    messages: list[Message] = Field(min_length=1, max_length=500)
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    n: int | None = Field(None, ge=1, le=128)

    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    temperature: Temperature | None = None
    top_p: TopP | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    logit_bias: dict[str, int] | None = None
    seed: int | None = None
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None
    reasoning_effort: Effort | None = None
    response_format: Form | None = None
    tools: Annotated[list[Tool], Field(max_length=128)] | None = None
    tool_choice: Choice | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)

    user: str | None = None
    metadata: Metadata | None = None
    store: bool | None = None
    service_tier: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
    modalities: list[Literal["text"]] | None = None

    functions: list[dict[str, Any]] | None = None
    function_call: Choice | dict[str, Any] | None = None
    audio: dict[str, Any] | None = None
    prediction: dict[str, Any] | None = None
    web_search_options: dict[str, Any] | None = None

    @property
    def answer_tokens(self) -> int:
        return self.max_completion_tokens or self.max_tokens or 0

    def check(self, deployment: Deployment | None) -> None:
        """Raises ApiError for what an answer from documents cannot do."""
        if self.stream_options and not self.stream:
            raise unsupported("stream_options", "stream_options are only allowed when stream is set.")
        if (self.n or 1) > ANSWERS_MOST:
            raise unsupported("n", f"There are at most {ANSWERS_MOST} answers to a question here.")
        for name in NOT_HERE:
            if getattr(self, name):
                raise unsupported(name, f"There is no {name} for answers from documents.", "Leave it out.")
        if self.top_logprobs is not None and not self.logprobs:
            raise unsupported("top_logprobs", "'top_logprobs' is only allowed when 'logprobs' is enabled.")
        check_model(deployment, tools=bool(self.tools), logprobs=bool(self.logprobs))
        self._check_choice()
        check_exchange(self.messages)
        if self.wants_json and deployment is None:
            raise unsupported("response_format", JSON_OF_NOBODY, "Leave it out.")
        if self.response_format and self.response_format.type == "json_schema" and not self.response_format.schema_:
            raise unsupported("response_format", "There is no json_schema in it.")

    def _check_choice(self) -> None:
        names = [tool.function.name for tool in self.tools or ()]
        if not names and self.tool_choice not in (None, "none", "auto"):
            raise unsupported("tool_choice", "'tool_choice' is only allowed when 'tools' are specified.")
        if isinstance(self.tool_choice, NamedTool) and self.tool_choice.function.name not in names:
            raise unsupported("tool_choice", f"There is no tool {self.tool_choice.function.name[:64]!r} to choose.")

    @property
    def wants_json(self) -> bool:
        return self.response_format is not None and self.response_format.type != "text"

    @property
    def generation(self) -> dict[str, Any]:
        """What the model is asked for, by the names of Wanted."""
        names = ("temperature", "top_p", "presence_penalty", "frequency_penalty", "logit_bias", "seed", "stop")
        wishes = {name: getattr(self, name) for name in (*names, "reasoning_effort")}
        if self.wants_json and self.response_format:
            wishes["response_format"] = self.response_format.model_dump(exclude_none=True, by_alias=True)
        if self.logprobs:
            wishes |= {"logprobs": True, "top_logprobs": self.top_logprobs}
        if self.tools:
            choice = self.tool_choice
            wishes["tools"] = [tool.model_dump(exclude_none=True) for tool in self.tools]
            wishes["tool_choice"] = choice.model_dump() if isinstance(choice, NamedTool) else choice
            wishes["parallel_tool_calls"] = self.parallel_tool_calls
        return {name: wish for name, wish in wishes.items() if wish not in (None, [], {}, "")}
