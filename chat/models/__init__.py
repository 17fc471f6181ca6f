"""The conversation's rows: what was asked and answered, how answers are worded, what was stopped, what was
thought of it, what nobody could answer, who may read along, and batches."""

from chat.models.batches import Batch, BatchItem
from chat.models.conversations import (
    GRACE,
    RUNNING,
    Citation,
    Conversation,
    ConversationQuerySet,
    Message,
    MessageQuerySet,
    State,
    web_address,
)
from chat.models.feedback import Feedback, Reason
from chat.models.gaps import Gap, GapQuerySet
from chat.models.moderation import ModerationEvent
from chat.models.permissions import PermissionProof
from chat.models.rechecks import Recheck, RecheckQuerySet
from chat.models.responses import StoredResponse
from chat.models.sharing import Share
from chat.models.templates import CollectionTemplate, PromptTemplate
from chat.models.threads import Thread

__all__ = [
    "GRACE",
    "RUNNING",
    "Batch",
    "BatchItem",
    "Citation",
    "CollectionTemplate",
    "Conversation",
    "ConversationQuerySet",
    "Feedback",
    "Gap",
    "GapQuerySet",
    "Message",
    "MessageQuerySet",
    "ModerationEvent",
    "PermissionProof",
    "PromptTemplate",
    "Reason",
    "Recheck",
    "RecheckQuerySet",
    "Share",
    "State",
    "StoredResponse",
    "Thread",
    "web_address",
]
