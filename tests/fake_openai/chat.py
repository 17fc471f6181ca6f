"""What the service says to a conversation, and what it bills for that."""

from __future__ import annotations

import json
import select
import socket
import struct
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from project.tokens import count_tokens

MODEL = "gpt-4o"  # by whose vocabulary it counts
HEAD = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-test"}


@dataclass
class Reply:
    """What the service says next. `pieces` are streamed; a status other than 200 is an error."""

    pieces: list[str] = field(default_factory=lambda: ["It is so. [1]"])
    status: int = 200
    error: dict | None = None
    headers: dict[str, str] = field(default_factory=dict)
    finish: str | None = "stop"
    pause_s: float = 0.0
    cut: bool = False  # The connection ends in the middle.
    hold: bool = False  # After the pieces nothing more comes until the caller goes.
    thoughts: int = 0  # tokens of the answer that nobody sees
    cached: int = 0  # tokens of the question that were still there
    filtered: dict | None = None  # what the content filter says of the answer, beside its end
    of_question: dict | None = None  # what it says of the question, in the first chunk
    deltas: list[dict] = field(default_factory=list)  # told instead of pieces
    likely: list[dict] = field(default_factory=list)  # how likely its tokens were, where that is asked for
    raw: bytes | None = None  # told instead of everything
    is_silent: bool = False  # It never takes the call: nothing comes until the caller goes.
    is_torn: bool = False  # The connection is torn after the pieces, and not closed.
    late_error: dict | None = None  # told in the stream, after the pieces


def billed(body: dict, said: str, reply: Reply) -> tuple[int, int]:
    """What a call costs, as OpenAI counts it: three tokens for each message, and three that open the answer."""
    texts = [(str(message["role"]), str(message.get("content") or "")) for message in body["messages"]]
    asked = 3 + sum(3 + count_tokens(role, MODEL) + count_tokens(text, MODEL) for role, text in texts)
    return asked, count_tokens(said, MODEL) + reply.thoughts


def usage(tokens: tuple[int, int], reply: Reply) -> dict:
    sent, written = tokens
    return {
        "prompt_tokens": sent,
        "completion_tokens": written,
        "total_tokens": sent + written,
        "prompt_tokens_details": {"cached_tokens": reply.cached},
        "completion_tokens_details": {"reasoning_tokens": reply.thoughts},
    }


class Telling:
    """One answer on its way. `said` is what of it has gone out, and is billed."""

    def __init__(self, handler: BaseHTTPRequestHandler, reply: Reply, body: dict, bill) -> None:
        self.handler, self.reply, self.body, self.bill = handler, reply, body, bill
        self.said = ""

    def tell(self) -> None:
        if self.reply.raw is not None:
            self.handler.wfile.write(self.reply.raw)
        elif self.body.get("stream"):
            self._stream()
        else:
            self._answer()

    def _stream(self) -> None:
        reply = self.reply
        first = [{"prompt_index": 0, "content_filter_results": reply.of_question}] if reply.of_question else []
        self._event({"choices": [], "prompt_filter_results": first, "id": "", "model": ""})
        for delta in reply.deltas or [{"content": piece} for piece in reply.pieces]:
            time.sleep(reply.pause_s)
            if is_left(self.handler):
                raise BrokenPipeError
            self._choice(delta)
            self.said += delta.get("content") or ""
        if self.body.get("logprobs"):
            self._choice({}, more={"logprobs": {"content": reply.likely, "refusal": None}})
        if reply.hold:
            await_leaving(self.handler)
        if reply.is_torn:
            self._tear()
        if reply.late_error:
            self._event({"error": reply.late_error})
        if reply.cut or reply.hold or reply.is_torn or reply.late_error:
            return
        if reply.finish:
            self._choice({}, reply.finish, {"content_filter_results": reply.filtered} if reply.filtered else {})
        if (self.body.get("stream_options") or {}).get("include_usage"):
            self._event(HEAD | {"choices": [], "usage": usage(self.bill(self.said), reply)})
        self.handler.wfile.write(b"data: [DONE]\n\n")

    def _answer(self) -> None:
        reply = self.reply
        self.said = "".join(reply.pieces)
        message = {"role": "assistant", "content": self.said, **(reply.deltas[0] if reply.deltas else {})}
        choice = {"index": 0, "message": message, "finish_reason": reply.finish}
        whole = HEAD | {"object": "chat.completion", "choices": [choice], "usage": usage(self.bill(self.said), reply)}
        self.handler.wfile.write(json.dumps(whole).encode())

    def _choice(self, delta: dict, finish: str | None = None, more: dict | None = None) -> None:
        self._event(HEAD | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish, **(more or {})}]})

    def _event(self, body: dict) -> None:
        self.handler.wfile.write(b"data: " + json.dumps(body).encode() + b"\n\n")
        self.handler.wfile.flush()

    def _tear(self) -> None:
        """What was sent is read first; then the connection is reset."""
        time.sleep(0.05)
        self.handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.handler.connection.close()


def is_left(handler: BaseHTTPRequestHandler) -> bool:
    """Whether the caller has closed the connection: what nobody can read is not made, nor billed."""
    readable, _, _ = select.select([handler.connection], [], [], 0)
    return bool(readable) and not handler.connection.recv(1, socket.MSG_PEEK)


def await_leaving(handler: BaseHTTPRequestHandler) -> None:
    while not is_left(handler):
        time.sleep(0.002)
