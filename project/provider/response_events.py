"""The events and items of the Responses API that tell something, in the shapes we rely on.

What a service adds to them is let pass; what we read must be of its kind.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field

Text = Annotated[str, AfterValidator(lambda text: text.replace("\0", ""))]  # No database keeps a NUL.


class Annotation(BaseModel):
    """A file_citation; other kinds are passed over."""

    type: str
    file_id: Text = ""
    filename: Text = ""
    index: int = 0


class _InAPart(BaseModel):
    output_index: int = 0
    content_index: int = 0

    @property
    def place(self) -> tuple[int, int]:
        return self.output_index, self.content_index


class TextDelta(_InAPart):
    delta: Text
    logprobs: list[dict[str, Any]] = []


class AnnotationAdded(_InAPart):
    annotation_index: int = 0
    annotation: Annotation | None


class ItemDone(BaseModel):
    output_index: int = 0
    item: dict[str, Any]


class ErrorEvent(BaseModel):
    code: str | None = None
    message: str | None = None


# Items ---------------------------------------------------------------------------------------------------------------
class Part(BaseModel):
    type: str = ""
    text: Text = ""
    refusal: Text = ""
    annotations: list[Annotation] = []
    logprobs: list[dict[str, Any]] = []


class Message(BaseModel):
    content: list[Part]


class FunctionCall(BaseModel):
    call_id: Text = Field(min_length=1)
    name: Text = Field(min_length=1)
    arguments: Text


class Result(BaseModel):
    file_id: Text | None = None
    filename: Text | None = None
    text: Text | None = None
    score: float | None = None
    attributes: dict[str, Any] | None = None


class FileSearchCall(BaseModel):
    queries: list[Text] = []
    results: list[Result] | None = None


class Output(BaseModel):
    type: str
    logs: Text = ""


class CodeInterpreterCall(BaseModel):
    code: Text | None = None
    outputs: list[Output] | None = None


# The end -------------------------------------------------------------------------------------------------------------
class Cached(BaseModel):
    cached_tokens: Annotated[int, Field(ge=0)] = 0


class Thought(BaseModel):
    reasoning_tokens: Annotated[int, Field(ge=0)] = 0


class Usage(BaseModel):
    input_tokens: int = Field(ge=0, lt=2**31)
    output_tokens: int = Field(ge=0, lt=2**31)
    input_tokens_details: Cached | None = None
    output_tokens_details: Thought | None = None


class _Incomplete(BaseModel):
    reason: str = ""


class _Error(BaseModel):
    code: str | None = None


class Filter(BaseModel):
    """What Azure's filter found; OpenAI has none."""

    source_type: str = ""
    content_filter_results: dict[str, Any] | None = None


class Response(BaseModel):
    status: str
    output: list[dict[str, Any]] = []
    usage: Any = None
    incomplete_details: _Incomplete | None = None
    error: _Error | None = None
    content_filters: list[Filter] | None = None


class Ended(BaseModel):
    response: Response


EVENTS: dict[str, type[BaseModel]] = {
    "response.output_text.delta": TextDelta,
    "response.refusal.delta": TextDelta,
    "response.output_text.annotation.added": AnnotationAdded,
    "response.output_item.done": ItemDone,
    "response.completed": Ended,
    "response.failed": Ended,
    "response.incomplete": Ended,
    "error": ErrorEvent,
}
ITEMS: dict[str, type[BaseModel]] = {
    "message": Message,
    "function_call": FunctionCall,
    "file_search_call": FileSearchCall,
    "code_interpreter_call": CodeInterpreterCall,
}
