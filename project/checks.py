"""What cannot work together, said when Lectern starts."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from project.catalogue import retirement_warning
from project.deployments import Deployment, DeploymentsError, deployments

LECTERN = "lectern"  # The tag of the checks that a start runs; they touch neither database nor network.


@register(LECTERN)
def models(**_: Any) -> list[CheckMessage]:
    """The language models: every variable that is missing, and every model that is about to go."""
    try:
        known = deployments()
    except DeploymentsError as exc:
        return [Error(str(exc), id="project.E001")]
    warnings = filter(None, (retirement_warning(each.base, date.today()) for each in known.values()))
    return [
        *_missing(),
        *_moderation(known.values()),
        *(Warning(sentence, id="project.W001") for sentence in dict.fromkeys(warnings)),
    ]


def _missing() -> Iterator[CheckMessage]:
    names_one = settings.AZURE_OPENAI_CHAT_DEPLOYMENT or settings.AZURE_OPENAI_EMBEDDING_DEPLOYMENT
    if settings.AZURE_OPENAI_ENDPOINT and not names_one:
        sentence = "AZURE_OPENAI_ENDPOINT is set, but AZURE_OPENAI_CHAT_DEPLOYMENT is missing."
        yield Error(sentence, hint="Name the deployment that answers, or leave the endpoint out.", id="project.E002")
    if names_one and not settings.AZURE_OPENAI_ENDPOINT:
        sentence = "A deployment of Azure OpenAI is named, but AZURE_OPENAI_ENDPOINT is missing."
        yield Error(sentence, hint="Set it to the resource's address, https://…", id="project.E003")
    asks_openai = settings.OPENAI_CHAT_MODEL or settings.OPENAI_EMBEDDING_MODEL
    if asks_openai and "api.openai.com" in settings.OPENAI_BASE_URL and not settings.OPENAI_API_KEY:
        yield Error("A model of OpenAI is named, but OPENAI_API_KEY is missing.", id="project.E004")


def _moderation(known: Iterable[Deployment]) -> Iterator[CheckMessage]:
    ways = {each.name: each.moderation for each in known}
    for each in known:
        if each.moderation == "openai" and each.connection.kind == "azure":
            sentence = f"The deployment {each.name} is moderated by “openai”, but Azure has no moderations to ask."
            yield Error(sentence, hint="Use “filter”, which reads what Azure's own filter reports.", id="project.E005")
    if "openai" in ways.values():
        from project.provider.moderation import CATEGORIES  # Late: no command is to wait a second for the package.

        if unknown := settings.MODERATION_LIMITS.keys() - set(CATEGORIES):
            sentence = f"LECTERN_MODERATION_LIMITS: OpenAI has no category “{min(unknown)}”."
            yield Error(sentence, hint=f"There are {', '.join(CATEGORIES)}.", id="project.E006")
    if "words" in {*ways.values(), settings.MODERATION}:
        path = Path(settings.MODERATION_WORDS)
        if not settings.MODERATION_WORDS:
            yield Error("Moderation is by “words”, but LECTERN_MODERATION_WORDS names no list.", id="project.E007")
        elif not (path.is_file() and os.access(path, os.R_OK)):
            yield Error(f"LECTERN_MODERATION_WORDS: {path} cannot be read.", id="project.E008")
