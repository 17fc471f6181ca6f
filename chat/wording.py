"""Which wording an answer is asked for in: the organisation's active template, a collection's own, or the built-in."""

from __future__ import annotations

import logging
from dataclasses import replace

from chat.events import Question
from chat.models import CollectionTemplate, PromptTemplate
from chat.models.templates import ANSWER
from chat.prompts import BUILT_IN, Wording

log = logging.getLogger(__name__)


def worded(question: Question) -> Question:
    """The question with its wording. One that was chosen already stays."""
    return question if question.wording else replace(question, wording=_wording(question))


def wording_of(template: PromptTemplate) -> Wording:
    return Wording(template.filled(), template.name, template.version, template.pk)


def _wording(question: Question) -> Wording:
    names = [ANSWER]
    if question.collections is not None and len(question.collections) == 1:
        own = CollectionTemplate.objects.filter(collection__in=question.collections).values_list("name", flat=True)
        names = [*own, ANSWER]
    active = {template.name: template for template in PromptTemplate.objects.filter(name__in=names, is_active=True)}
    for template in (active[name] for name in names if name in active):
        if not template.trouble:
            return wording_of(template)
        log.error("the prompt template %s is passed over: %s", template, template.trouble)  # A setting went away.
    return BUILT_IN
