"""A small chart of bars, as numbers for an SVG that is drawn by the server. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

WIDTH, HEIGHT, LEAST = 1000.0, 100.0, 1.5  # The picture is stretched to its place, so it carries no words.


@dataclass(frozen=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    title: str
    is_last: bool


def bars(values: Iterable[tuple[str, float]]) -> list[Bar]:
    """A bar for each value, the largest as high as the picture; what is not nothing can be seen.

    >>> [(bar.x, bar.y, bar.height) for bar in bars([("Monday", 2), ("Tuesday", 0), ("Wednesday", 4)])]
    [(0.0, 50.0, 50.0), (333.33, 100.0, 0.0), (666.67, 0.0, 100.0)]
    """
    told = list(values)
    most = max((value for _, value in told), default=0) or 1
    step = WIDTH / max(1, len(told))
    heights = [max(LEAST, HEIGHT * value / most) if value else 0.0 for _, value in told]
    return [
        Bar(
            round(place * step, 2),
            round(HEIGHT - height, 2),
            round(step * 0.8, 2),
            round(height, 2),
            title,
            place == len(told) - 1,
        )
        for place, ((title, _), height) in enumerate(zip(told, heights, strict=True))
    ]
