"""The api-versions that were published, and what each of them meant for the shape of an answer. Pure."""

from __future__ import annotations

from chat.on_your_data.shapes import Later, Shape, WithMessages, WithToolInContext

STABLE = frozenset("2022-12-01 2023-05-15 2024-02-01 2024-06-01 2024-10-21".split())
PREVIEWS = frozenset(
    f"{day}-preview"
    for day in (
        "2022-03-01 2022-06-01 2023-03-15 2023-06-01 2023-07-01 2023-08-01 2023-09-01 2023-10-01 2023-12-01 2024-02-15 "
        "2024-03-01 2024-04-01 2024-05-01 2024-07-01 2024-08-01 2024-09-01 2024-10-01 2024-12-01 2025-01-01 2025-02-01 "
        "2025-03-01 2025-04-01"
    ).split()
)
KNOWN = STABLE | PREVIEWS
WITHOUT_VERSION = frozenset({"", "v1", "preview", "latest"})  # what the path /openai/v1 takes


def extension_shape(api_version: str) -> Shape | None:
    """The shape of the path /extensions, which only the previews of 2023 had; None for any other version."""
    if api_version not in PREVIEWS or not "2023-06-01" <= api_version < "2024":
        return None
    return WithMessages() if api_version < "2023-08-01" else WithToolInContext()


def shape(api_version: str) -> Shape | None:
    """The shape of the path that stayed; None for a version that was never published."""
    return Later() if api_version in KNOWN else None
