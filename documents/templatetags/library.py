"""What the library's templates say of a document and its numbers."""

from __future__ import annotations

from django import template
from django.utils import timezone

from documents import standing as words
from documents.forms import KINDS
from documents.models import Attempt, Document

register = template.Library()
register.filter("standing", words.standing)
register.filter("duration", words.duration)
register.filter("size", words.size)
register.filter("page_warning", words.page_warning)


@register.filter
def took(document: Document) -> str:
    """How long it took to become findable; nothing while it is not."""
    seconds = words.took_s(document)
    return "" if seconds is None else words.duration(seconds)


@register.filter
def kind_name(document: Document) -> str:
    return str(KINDS.get(document.kind, document.kind))


@register.filter
def lasted(attempt: Attempt) -> str:
    """How long one beginning of the work went on, or goes on by now."""
    return words.duration(((attempt.ended_at or timezone.now()) - attempt.began_at).total_seconds())
