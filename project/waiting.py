"""How long a service asks to be left alone, read from the headers of its refusal. Pure."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

LONGEST_WAIT_S = 3600.0  # A service that asks for more is asked again sooner: its limit may have been raised.
DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}


def retry_after(headers: Mapping[str, str]) -> float | None:
    """How many seconds a service asks to wait, an hour at most; None when it does not say.

    Said outright it holds; else until the limit that is used up, or every limit there is, begins anew.

    >>> retry_after({"retry-after": "20"}), retry_after({"x-ratelimit-reset-tokens": "6m0s"}), retry_after({})
    (20.0, 360.0, None)
    """
    outright = headers.get("retry-after", "")
    limits = [kind for kind in ("requests", "tokens") if f"x-ratelimit-reset-{kind}" in headers]
    spent = [kind for kind in limits if headers.get(f"x-ratelimit-remaining-{kind}") == "0"]
    resets = [_duration(headers[f"x-ratelimit-reset-{kind}"]) for kind in spent or limits]
    told = (
        _seconds(headers.get("retry-after-ms", ""), 0.001),
        _seconds(outright),
        _until(outright),
        max((reset for reset in resets if reset is not None), default=None),
    )
    first = next((seconds for seconds in told if seconds is not None), None)
    return None if first is None else min(max(first, 0.0), LONGEST_WAIT_S)


def _seconds(text: str, unit: float = 1.0) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number * unit if math.isfinite(number) else None


def _until(date: str) -> float | None:
    try:
        return max(0.0, parsedate_to_datetime(date).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return None


def _duration(text: str) -> float | None:
    """ "1h2m3.5s" or plain seconds."""
    pieces = DURATION.findall(text)
    if pieces and "".join(map("".join, pieces)) == text.strip():
        return sum(float(number) * SECONDS[unit] for number, unit in pieces)
    return _seconds(text)
