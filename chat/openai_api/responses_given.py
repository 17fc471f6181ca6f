"""What a call of `/v1/responses` may hold, and what it says in messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal

from ninja import Field

from chat.completions import CalledIn, MessageIn, ToolCallIn
from chat.openai_api.asking import (
    JSON_OF_NOBODY,
    Effort,
    FunctionName,
    Temperature,
    TopP,
    check_model,
    unsupported,
)
from chat.openai_api.asking import Schema as JsonSchema
from documents.openai_api.given import Filters, Given, Metadata, Ranking, Text512
from project.api import ApiError
from project.deployments import Deployment

SEARCH_RESULTS = "file_search_call.results"
LOGPROBS = "message.output_text.logprobs"
CALL, OUTPUT = "function_call", "function_call_output"
WITHOUT_WORDS = {"file_search_call", "reasoning"}  # What an answer held beside words; sent back, it says nothing new.
WORDS = {"input_text": "text", "output_text": "text", "text": "text", "refusal": "refusal"}
ROLES = ("user", "assistant", "system", "developer")
Include = Literal[
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
    "reasoning.encrypted_content",
    "message.output_text.logprobs",
]


class FileSearch(Given):
    """Where is looked: in these vector stores, among files whose attributes the filter lets through."""

    type: Literal["file_search"]
    vector_store_ids: list[str] = Field(min_length=1, max_length=100)
    max_num_results: int | None = Field(None, ge=1, le=50)
    ranking_options: Ranking | None = None
    filters: Filters | None = None


class Function(Given):
    """A tool of the program's own: the model asks for it, the program uses it."""

    type: Literal["function"]
    name: FunctionName
    description: str | None = None
    parameters: JsonSchema = None
    strict: bool | None = None

    @property
    def for_chat(self) -> dict[str, Any]:
        """As chat completions write it, in which we ask. Strict is the rule here."""
        told = {"name": self.name, "description": self.description, "parameters": self.parameters}
        function = {key: value for key, value in told.items() if value is not None}
        return {"type": "function", "function": function | {"strict": self.strict is not False}}


class NamedTool(Given):
    """The one tool that must be called."""

    type: Literal["function", "file_search"]
    name: str | None = None


Tool = Annotated[FileSearch | Function, Field(discriminator="type")]


class Format(Given):
    type: Literal["text", "json_object", "json_schema"] = "text"
    name: str | None = None
    description: str | None = None
    schema_: dict[str, Any] | None = Field(default=None, alias="schema")
    strict: bool | None = None


class Written(Given):
    format: Format = Format()
    verbosity: Literal["low", "medium", "high"] | None = None


class Reasoning(Given):
    effort: Effort | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    generate_summary: Literal["auto", "concise", "detailed"] | None = None


class Conversation(Given):
    id: str


class ResponsesStreamOptions(Given):
    include_obfuscation: bool = False


class ResponsesIn(Given):
    """Those in the last group are taken and change nothing here, as documented, or are refused."""

    model: str = "default"
    input: str | Annotated[list[dict[str, Any]], Field(min_length=1, max_length=500)]
    instructions: str | None = None
    previous_response_id: str | None = None
    tools: Annotated[list[Tool], Field(max_length=128)] | None = None
    include: list[Include] | None = None
    metadata: Metadata | None = None
    store: bool | None = True
    stream: bool | None = False
    stream_options: ResponsesStreamOptions | None = None

    max_output_tokens: int | None = Field(None, ge=16)
    temperature: Temperature | None = None
    top_p: TopP | None = None
    text: Written | None = None
    reasoning: Reasoning | None = None

    user: Text512 | None = None
    safety_identifier: Text512 | None = None
    prompt_cache_key: Text512 | None = None
    prompt_cache_retention: Literal["in_memory", "in-memory", "24h"] | None = None
    service_tier: Literal["auto", "default", "flex", "scale", "priority"] | None = None
    parallel_tool_calls: bool | None = None
    truncation: Literal["auto", "disabled"] | None = None
    max_tool_calls: int | None = Field(None, ge=1)
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)
    background: bool | None = None
    conversation: str | Conversation | None = None
    prompt: dict[str, Any] | None = None
    context_management: list[dict[str, Any]] | None = None

    def check(self, deployment: Deployment | None) -> None:
        """Raises ApiError for what an answer from documents cannot do."""
        if self.stream_options and not self.stream:
            raise unsupported("stream_options", "stream_options are only allowed when stream is set.")
        if self.conversation and self.previous_response_id:
            sentence = "Ensure you are only providing one of: 'previous_response_id' or 'conversation'."
            raise ApiError(400, "mutually_exclusive_parameters", sentence, "", "previous_response_id")
        for name in ("background", "prompt", "context_management"):
            if getattr(self, name):
                raise unsupported(name, f"There is no {name} for answers from documents.", "Leave it out.")
        check_model(deployment, tools=bool(self.functions), logprobs=self.wants_logprobs)
        self._check_choice()
        if self.wants_json and deployment is None:
            raise unsupported("text.format", JSON_OF_NOBODY, "Leave it out.")

    def _check_choice(self) -> None:
        choice = self.tool_choice
        if choice == "none" and self.file_searches:
            raise unsupported("tool_choice", "No answer is given without a look into the documents.", "Leave it out.")
        names = {tool.name for tool in self.functions}
        if isinstance(choice, NamedTool) and choice.type == "function" and choice.name not in names:
            raise unsupported("tool_choice", f"There is no tool {str(choice.name)[:64]!r} to choose.")

    @property
    def conversation_id(self) -> str | None:
        return self.conversation.id if isinstance(self.conversation, Conversation) else self.conversation

    @property
    def file_searches(self) -> list[FileSearch]:
        return [tool for tool in self.tools or () if isinstance(tool, FileSearch)]

    @property
    def functions(self) -> list[Function]:
        return [tool for tool in self.tools or () if isinstance(tool, Function)]

    @property
    def _choice_of_function(self) -> str | dict[str, Any] | None:
        """Files are always searched: where that is among what must be called, nothing else has to be."""
        choice = self.tool_choice
        if isinstance(choice, NamedTool):
            is_one = choice.type == "function"
            return {"type": "function", "function": {"name": choice.name}} if is_one else "auto"
        return "auto" if choice == "required" and self.file_searches else choice

    @property
    def wants_logprobs(self) -> bool:
        return bool(self.top_logprobs) or LOGPROBS in (self.include or [])

    @property
    def wants_json(self) -> bool:
        return self.text is not None and self.text.format.type != "text"

    @property
    def generation(self) -> dict[str, Any]:
        """What the model is asked for, by the names of Wanted and in the shapes of chat completions."""
        wishes: dict[str, Any] = {"temperature": self.temperature, "top_p": self.top_p}
        wishes["reasoning_effort"] = self.reasoning.effort if self.reasoning else None
        if self.wants_json and self.text:
            form = self.text.format.model_dump(exclude_none=True, by_alias=True)
            kind = form.pop("type")
            wishes["response_format"] = {"type": kind} | ({"json_schema": form} if kind == "json_schema" else {})
        if self.wants_logprobs:
            wishes |= {"logprobs": True, "top_logprobs": self.top_logprobs}
        if self.functions:
            wishes["tools"] = [tool.for_chat for tool in self.functions]
            wishes["tool_choice"] = self._choice_of_function
            wishes["parallel_tool_calls"] = self.parallel_tool_calls
        return {name: wish for name, wish in wishes.items() if wish is not None}


def items_of(given: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What was sent, as messages with parts, and without what says nothing. Raises ApiError."""
    if isinstance(given, str):
        return [_message("user", [{"type": "input_text", "text": given}])]
    return [_item(item, number) for number, item in enumerate(given) if str(item.get("type")) not in WITHOUT_WORDS]


def messages_in(items: Sequence[dict[str, Any]]) -> list[MessageIn]:
    """The items as messages: calls of one turn in one message, behind what was said with them. Raises ApiError."""
    check_calls(items)
    told: list[MessageIn] = []
    for item in items:
        if item["type"] == CALL:
            call = ToolCallIn(id=item["call_id"], function=CalledIn(name=item["name"], arguments=item["arguments"]))
            if not (told and told[-1].role == "assistant"):
                told.append(MessageIn(role="assistant"))
            told[-1].tool_calls = [*(told[-1].tool_calls or ()), call]
        elif item["type"] == OUTPUT:
            told.append(MessageIn(role="tool", tool_call_id=item["call_id"], content=_output(item["output"])))
        else:
            told.append(MessageIn(role=item["role"], content=_words(item["content"])))
    return told


def check_calls(items: Sequence[dict[str, Any]]) -> None:
    """Each call of a tool has its result behind it, and each result its call. Raises ApiError, as the service says."""
    waiting: list[str] = []
    for item in items:
        if item["type"] == CALL:
            waiting.append(item["call_id"])
        elif item["type"] == OUTPUT and item["call_id"] in waiting:
            waiting.remove(item["call_id"])
        elif item["type"] == OUTPUT:
            sentence = f"No tool call found for function call output with call_id {item['call_id'][:80]}."
            raise ApiError(400, "invalid_request_error", sentence, "", "input")
        elif waiting:
            break
    if waiting:
        sentence = f"No tool output found for function call {waiting[0][:80]}."
        raise ApiError(400, "invalid_request_error", sentence, "", "input")


def file_ids_in(items: Iterable[dict[str, Any]]) -> list[str]:
    """The files that messages bring along: the question is about them."""
    parts = [part for item in items if item["type"] == "message" for part in item["content"]]
    return [part["file_id"] for part in parts if part["type"] == "input_file"]


def _item(item: dict[str, Any], number: int) -> dict[str, Any]:
    place, role = f"input[{number}]", item.get("role")
    if item.get("type") in (CALL, OUTPUT):
        return _tool_item(item, place)
    if item.get("type", "message") != "message" or role not in ROLES:
        sentence = "Only messages of users, assistants, systems and developers, and calls of functions, can be read."
        raise ApiError(400, "invalid_value", sentence, "", place)
    content = item.get("content")
    if isinstance(content, str):
        content = [{"type": "output_text" if role == "assistant" else "input_text", "text": content}]
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        raise ApiError(400, "invalid_value", "The content must be text, or parts.", "", f"{place}.content")
    return _message(str(role), [_part(part, f"{place}.content[{at}]") for at, part in enumerate(content)])


def _tool_item(item: dict[str, Any], place: str) -> dict[str, Any]:
    """A call as we told it, or what the program's tool gave back: text, or parts of text."""
    names = ("call_id", "name", "arguments") if item["type"] == CALL else ("call_id", "output")
    for name in names:
        is_parts = name == "output" and isinstance(item.get(name), list)
        if not (is_parts or isinstance(item.get(name), str)) or (name == "call_id" and not item[name]):
            raise ApiError(400, "invalid_value", f"{name} must be text.", "", f"{place}.{name}")
    told = {"type": item["type"], "status": "completed"} | {name: item[name] for name in names}
    if item["type"] == OUTPUT and isinstance(item["output"], list):
        parts = [part if isinstance(part, dict) else {} for part in item["output"]]
        told["output"] = [_part(part, f"{place}.output[{at}]") for at, part in enumerate(parts)]
    return told


def _output(output: str | list[dict[str, Any]]) -> str:
    return output if isinstance(output, str) else _words(output)


def _message(role: str, content: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "message", "role": role, "status": "completed", "content": content}


def _part(part: dict[str, Any], place: str) -> dict[str, Any]:
    kind = str(part.get("type"))
    if kind in WORDS and isinstance(part.get(WORDS[kind]), str):
        words = {"type": kind, WORDS[kind]: part[WORDS[kind]]}
        return words | ({"annotations": [], "logprobs": []} if kind == "output_text" else {})
    if kind == "input_file" and isinstance(part.get("file_id"), str):
        return {"type": kind, "file_id": part["file_id"]}
    advice = "Upload a file to /v1/files and name its id." if kind == "input_file" else ""
    raise ApiError(400, "invalid_value", f"A part {kind[:40]!r} like this cannot be read.", advice, place)


def _words(content: Iterable[dict[str, Any]]) -> str:
    return "\n".join(part[WORDS[part["type"]]] for part in content if part["type"] in WORDS)
