"""The conversation's pages, and the stream an answer comes in."""

from chat.views.asking import again, ask, edit, estimate, go_on, stop
from chat.views.choosing import ask_these, choose
from chat.views.exporting import export_json, export_markdown, printed
from chat.views.going_on import suggestions
from chat.views.keeping import bring_back, delete, pin, rename
from chat.views.opinions import feedback
from chat.views.pages import conversation, conversations, search, source
from chat.views.sharing import revoke, shared, shares
from chat.views.streaming import stream

__all__ = [
    "again",
    "ask",
    "ask_these",
    "bring_back",
    "choose",
    "conversation",
    "conversations",
    "delete",
    "edit",
    "estimate",
    "export_json",
    "export_markdown",
    "feedback",
    "go_on",
    "pin",
    "printed",
    "rename",
    "revoke",
    "search",
    "shared",
    "shares",
    "source",
    "stop",
    "stream",
    "suggestions",
]
