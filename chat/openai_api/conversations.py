"""`/v1/conversations`: what a program and its models said, kept here item by item and gone on from by responses."""

from __future__ import annotations

from typing import Annotated, Any

from ninja import Field, Query, Router

from chat.models import Thread
from chat.openai_api.items import ItemsPage, bearable_in, page_of_items, with_ids
from chat.openai_api.responses_given import items_of
from documents.openai_api.access import not_there
from documents.openai_api.given import Given, Metadata
from documents.openai_api.ids import CONVERSATION, private, public
from documents.openai_api.shapes import seconds
from project.api import ApiError, SignedCall, reading, writing

router = Router(tags=["conversations"])

ITEMS_MOST = 2_000  # of one; a program that says more begins another
Items = Annotated[list[dict[str, Any]], Field(max_length=20)]


class ConversationIn(Given):
    metadata: Metadata | None = None
    items: Items | None = None


class MetadataIn(Given):
    metadata: Metadata | None


class ItemsIn(Given):
    items: Annotated[Items, Field(min_length=1)]


@router.post("/conversations", auth=writing)
def create(request: SignedCall, payload: ConversationIn):
    """Begin a conversation, empty or with what was said elsewhere."""
    items = bearable_in(with_ids(items_of(payload.items))) if payload.items else []
    facts = {"metadata": payload.metadata or {}, "items": items}
    return _told(Thread.objects.create(user=request.user, api_key_id=request.auth.pk, **facts))


@router.get("/conversations/{conversation_id}", auth=reading)
def retrieve(request: SignedCall, conversation_id: str):
    return _told(thread_of(request, conversation_id))


@router.post("/conversations/{conversation_id}", auth=writing)
def update(request: SignedCall, conversation_id: str, payload: MetadataIn):
    """Give it other metadata."""
    thread = thread_of(request, conversation_id)
    thread.metadata = payload.metadata or {}
    thread.save(update_fields=["metadata"])
    return _told(thread)


@router.delete("/conversations/{conversation_id}", auth=writing)
def delete(request: SignedCall, conversation_id: str):
    """It is gone with its items; responses that were kept stay."""
    thread_of(request, conversation_id).delete()
    return {"id": conversation_id, "object": "conversation.deleted", "deleted": True}


# Items ---------------------------------------------------------------------------------------------------------------
@router.post("/conversations/{conversation_id}/items", auth=writing)
def add_items(request: SignedCall, conversation_id: str, payload: ItemsIn):
    """Put items behind what was said, 20 at a time."""
    thread = thread_of(request, conversation_id)
    items = bearable_in(with_ids(items_of(payload.items)))
    check_room(thread, len(items))
    thread.add(items)
    return page_of_items(items, ItemsPage(limit=100, order="asc"))


@router.get("/conversations/{conversation_id}/items", auth=reading)
def items(request: SignedCall, conversation_id: str, wanted: Query[ItemsPage]):
    """What was said, the newest first unless another order is asked for."""
    return page_of_items(thread_of(request, conversation_id).items, wanted)


@router.get("/conversations/{conversation_id}/items/{item_id}", auth=reading)
def item(request: SignedCall, conversation_id: str, item_id: str):
    found = next((one for one in thread_of(request, conversation_id).items if one["id"] == item_id), None)
    if found is None:
        raise not_there("item in this conversation", item_id, "item_id")
    return found


@router.delete("/conversations/{conversation_id}/items/{item_id}", auth=writing)
def delete_item(request: SignedCall, conversation_id: str, item_id: str):
    """Later responses do not know of it; the conversation is told as it is without it."""
    thread = thread_of(request, conversation_id)
    if not thread.take_out(item_id):
        raise not_there("item in this conversation", item_id, "item_id")
    return _told(thread)


def thread_of(request: SignedCall, conversation_id: str, param: str = "conversation_id") -> Thread:
    rows = Thread.objects.for_call(request.user, request.auth)
    found = rows.filter(pk=private(CONVERSATION, conversation_id)).first()
    if found is None:
        raise not_there("conversation", conversation_id, param)
    return found


def check_room(thread: Thread, more: int) -> None:
    if len(thread.items) + more > ITEMS_MOST:
        limit = f"A conversation holds {ITEMS_MOST:,} items at most."
        raise ApiError(400, "invalid_value", limit, "Begin another one.", "items")


def _told(thread: Thread) -> dict[str, Any]:
    told = {"id": public(CONVERSATION, thread.pk), "object": "conversation", "created_at": seconds(thread.created_at)}
    return told | {"metadata": thread.metadata}
