"""Ids as OpenAI's clients know them: a word for the kind, and our own id in hexadecimal. Pure."""

from __future__ import annotations

import re
from uuid import UUID

FILE, STORE, BATCH, UPLOAD, PART = "file-", "vs_", "vsfb_", "upload_", "part_"
RESPONSE, CONVERSATION = "resp_", "conv_"
HEX = re.compile(r"[0-9a-f]{32}")
NOBODYS = UUID(int=0)


def public(kind: str, pk: UUID) -> str:
    """
    >>> public(FILE, UUID(int=10))
    'file-0000000000000000000000000000000a'
    """
    return f"{kind}{pk.hex}"


def private(kind: str, text: str) -> UUID:
    """Our id; one that nothing has for what is no id of this kind.

    >>> private(STORE, "vs_0000000000000000000000000000000a") == UUID(int=10), private(STORE, "vs_abc123") == NOBODYS
    (True, True)
    """
    digits = text.removeprefix(kind)
    return UUID(digits) if text.startswith(kind) and HEX.fullmatch(digits) else NOBODYS
