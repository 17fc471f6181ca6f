"""The conversation's rows: what was asked and answered, how answers are worded, what was stopped, and batches."""

from chat.models.batches import Batch, BatchItem
from chat.models.conversations import (
    RUNNING,
    Citation,
    Conversation,
    ConversationQuerySet,
    Message,
    MessageQuerySet,
    State,
    web_address,
)
from chat.models.moderation import ModerationEvent
from chat.models.rechecks import Recheck, RecheckQuerySet
from chat.models.templates import CollectionTemplate, PromptTemplate

__all__ = [
    "RUNNING",
    "Batch",
    "BatchItem",
    "Citation",
    "CollectionTemplate",
    "Conversation",
    "ConversationQuerySet",
    "Message",
    "MessageQuerySet",
    "ModerationEvent",
    "PromptTemplate",
    "Recheck",
    "RecheckQuerySet",
    "State",
    "web_address",
]
