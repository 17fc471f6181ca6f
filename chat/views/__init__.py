"""The conversation's pages, and the stream an answer comes in."""

from chat.views.asking import again, ask, estimate, stop
from chat.views.choosing import ask_these, choose
from chat.views.going_on import suggestions
from chat.views.pages import conversation, conversations, delete, rename, source
from chat.views.streaming import stream

__all__ = [
    "again",
    "ask",
    "ask_these",
    "choose",
    "conversation",
    "conversations",
    "delete",
    "estimate",
    "rename",
    "source",
    "stop",
    "stream",
    "suggestions",
]
