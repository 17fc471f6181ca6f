"""What of the conversation's settings cannot work, said when Lectern starts."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error, Warning, register

from chat.grounding.data_sources import source_of
from project.checks import LECTERN
from project.deployments import DeploymentsError, deployments

RETIRED = "deployments.{}: Microsoft retired Azure OpenAI On Your Data (data_sources) on 14 October 2026."
HINT = "Write grounding = “hybrid”; until then a question it does not answer can be asked again with our own search."


@register(LECTERN)
def data_sources(**_: Any) -> list[CheckMessage]:
    """What Azure is to search: every deployment's data source, a line for each that cannot be sent."""
    try:
        known = [each for each in deployments().values() if each.grounding == "data_sources"]
    except DeploymentsError:
        return []  # The models' own check says so.
    found: list[CheckMessage] = [Warning(RETIRED.format(each.name), hint=HINT, id="chat.W001") for each in known]
    for each in {each.data_source: each for each in known}.values():
        try:
            source_of(each)
        except DeploymentsError as exc:
            found.append(Error(str(exc), id="chat.E001"))
    return found
