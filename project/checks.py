"""What cannot work together, said when Lectern starts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from project.catalogue import CatalogueError, retirement_warning
from project.deployments import DeploymentsError, deployments

LECTERN = "lectern"  # The tag of the checks that a start runs; they touch neither database nor network.


@register(LECTERN)
def models(**_: Any) -> list[CheckMessage]:
    """The language models: every variable that is missing, and every model that is about to go."""
    try:
        known = deployments()
    except (DeploymentsError, CatalogueError) as exc:
        return [Error(str(exc), id="project.E001")]
    warnings = filter(None, (retirement_warning(each.base, date.today()) for each in known.values()))
    return [*_missing(), *(Warning(sentence, id="project.W001") for sentence in dict.fromkeys(warnings))]


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
