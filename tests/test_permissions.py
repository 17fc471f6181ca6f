"""The permission proof: it finds what is planted, nothing else, and leaves nothing behind."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from chat.models import Conversation, Gap, Message
from chat.permissions import Size, prove
from documents.models import Chunk, Collection, Document, DocumentEvent, EmbeddingCache
from documents.models.documents import DocumentQuerySet
from project.models import ApiKey

pytestmark = pytest.mark.django_db(transaction=True)
SMALL = Size(2, 1, 1)


def test_without_a_leak_none_is_found_and_nothing_is_left_behind():
    report = prove(SMALL)
    assert report.leaks == [] and report.is_clean, report.as_json()
    roles = {role for _, role in report.counts}
    assert {"owner", "editor", "reader", "member of another", "stranger", "staff", "asker"} <= roles
    assert {"narrowed key, inside", "narrowed key, outside", "revoked key"} <= roles
    ways = {path for path, _ in report.counts}
    assert ways - {path for (path, _), count in report.counts.items() if count.reached} == set(), report.seconds
    kinds = (User, Collection, Document, Chunk, Conversation, Message, Gap, ApiKey, DocumentEvent, EmbeddingCache)
    assert [kind.__name__ for kind in kinds if kind.objects.exists()] == []


def test_a_leak_that_is_planted_is_found_on_the_ways_that_it_opens(monkeypatch):
    monkeypatch.setattr(DocumentQuerySet, "for_user", lambda rows, user: rows.filter(deleted_at=None))
    report = prove(Size(2, 1, 1))
    leaking = {path for (path, _), count in report.counts.items() if count.leaks}
    assert {"documents", "text of pages", "kept answers", "original", "API: content of a file"} <= leaking
    assert not {"collections", "conversations", "search by words"} & leaking
    assert report.leaks and not User.objects.exists()
