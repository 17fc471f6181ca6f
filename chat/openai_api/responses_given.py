"""What a call of `/v1/responses` may hold, and what it says in messages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from ninja import Field
from pydantic import ValidationError

from chat.completions import MessageIn
from chat.openai_api.asking import JSON_OF_NOBODY, Effort, Temperature, TopP, unsupported
from documents.openai_api.given import Filters, Given, Metadata, Ranking, Text512
from project.api import ApiError
from project.deployments import Deployment

SEARCH_RESULTS = "file_search_call.results"
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


class ResponsesStreamOptions(Given):
    include_obfuscation: bool = False


class ResponsesIn(Given):
    """Those in the last group are taken and change nothing here, as documented, or are refused."""

    model: str = "default"
    input: str | Annotated[list[dict[str, Any]], Field(min_length=1, max_length=500)]
    instructions: str | None = None
    previous_response_id: str | None = None
    tools: list[dict[str, Any]] | None = None
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
    tool_choice: Literal["none", "auto", "required"] | dict[str, Any] | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)
    background: bool | None = None
    conversation: str | dict[str, Any] | None = None
    prompt: dict[str, Any] | None = None
    context_management: list[dict[str, Any]] | None = None

    def check(self, deployment: Deployment | None) -> None:
        """Raises ApiError for what an answer from documents cannot do."""
        if self.stream_options and not self.stream:
            raise unsupported("stream_options", "stream_options are only allowed when stream is set.")
        for name in ("background", "conversation", "prompt", "context_management", "top_logprobs"):
            if getattr(self, name):
                raise unsupported(name, f"There is no {name} for answers from documents.", "Leave it out.")
        for number, tool in enumerate(self.tools or []):
            if tool.get("type") != "file_search":
                sentence = f"Lectern calls no {str(tool.get('type'))[:40]!r}: answers come from documents."
                raise unsupported(f"tools[{number}].type", sentence, "Use file_search alone.")
        if isinstance(self.tool_choice, dict) and self.tool_choice.get("type") != "file_search":
            raise unsupported("tool_choice", "file_search is the only tool here.")
        if self.tool_choice == "none" and self.tools:
            raise unsupported("tool_choice", "No answer is given without a look into the documents.", "Leave it out.")
        if self.wants_json and deployment is None:
            raise unsupported("text.format", JSON_OF_NOBODY, "Leave it out.")

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
        return {name: wish for name, wish in wishes.items() if wish is not None}


def file_searches(tools: list[dict[str, Any]] | None) -> list[FileSearch]:
    """Raises ApiError for one that cannot be understood."""
    found = []
    for number, tool in enumerate(tools or []):
        try:
            found.append(FileSearch.model_validate(tool))
        except ValidationError as exc:
            first = exc.errors()[0]
            place = ".".join([f"tools[{number}]", *map(str, first["loc"])])
            raise ApiError(400, "invalid_value", f"{place}: {first['msg']}.", "", place) from exc
    return found


def items_of(given: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What was sent, as messages with parts, and without what says nothing. Raises ApiError."""
    if isinstance(given, str):
        return [_message("user", [{"type": "input_text", "text": given}])]
    return [_item(item, number) for number, item in enumerate(given) if str(item.get("type")) not in WITHOUT_WORDS]


def messages_in(items: Iterable[dict[str, Any]]) -> list[MessageIn]:
    return [MessageIn(role=item["role"], content=_words(item["content"])) for item in items]


def file_ids_in(items: Iterable[dict[str, Any]]) -> list[str]:
    """The files that messages bring along: the question is about them."""
    return [part["file_id"] for item in items for part in item["content"] if part["type"] == "input_file"]


def _item(item: dict[str, Any], number: int) -> dict[str, Any]:
    place, role = f"input[{number}]", item.get("role")
    if item.get("type", "message") != "message" or role not in ROLES:
        sentence = "Only messages of users, assistants, systems and developers can be read."
        raise ApiError(400, "invalid_value", sentence, "", place)
    content = item.get("content")
    if isinstance(content, str):
        content = [{"type": "output_text" if role == "assistant" else "input_text", "text": content}]
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        raise ApiError(400, "invalid_value", "The content must be text, or parts.", "", f"{place}.content")
    return _message(str(role), [_part(part, f"{place}.content[{at}]") for at, part in enumerate(content)])


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
