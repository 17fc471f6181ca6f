"""The conversation's pages, and the stream an answer comes in."""

from chat.views.asking import again, ask, edit, estimate, stop
from chat.views.keeping import bring_back, delete, pin, rename
from chat.views.pages import conversation, conversations, search, source
from chat.views.streaming import stream

__all__ = [
    "again",
    "ask",
    "bring_back",
    "conversation",
    "conversations",
    "delete",
    "edit",
    "estimate",
    "pin",
    "rename",
    "search",
    "source",
    "stop",
    "stream",
]
