"""Read the environment and keep the secrets that nobody gave; everything refuses nonsense by the variable's name."""

import os
import re
import secrets
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


def whole_number(name: str, default: int, *, least: int = 0, most: int = 2**31 - 1) -> int:
    value = text(name, str(default))
    if not value.isdecimal() or not least <= int(value) <= most:
        raise ImproperlyConfigured(f"{name} is {value!r}: it must be a whole number from {least} to {most}.")
    return int(value)


def fraction(name: str, default: float) -> float:
    value = text(name, str(default))
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise ImproperlyConfigured(f"{name} is {value!r}: it must be a number from 0 to 1.")
    return number


def switch(name: str, default: bool) -> bool:
    value = text(name, "yes" if default else "no").lower()
    if value in {"1", "yes", "true", "on"}:
        return True
    if value in {"0", "no", "false", "off"}:
        return False
    raise ImproperlyConfigured(f"{name} is {value!r}: it must be yes or no.")


def words(name: str, default: str = "") -> list[str]:
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def limits(name: str) -> dict[str, float | str]:
    """`hate=medium,violence=0.5`: a severity for each category, or a score from 0 to 1."""
    found: dict[str, float | str] = {}
    for part in words(name):
        category, _, limit = (piece.strip() for piece in part.partition("="))
        is_score = re.fullmatch(r"0(\.\d+)?|1(\.0+)?", limit)
        if not category or not (is_score or limit in {"low", "medium", "high"}):
            raise ImproperlyConfigured(f"{name}: {part!r} must be category=low, medium, high or a number from 0 to 1.")
        found[category] = float(limit) if is_score else limit
    return found


def names(name: str, kinds: tuple[str, ...]) -> dict[tuple[str, str], str]:
    """`pinecone:prod=House rules, azure_search:old=Archive`: what stands for a name of each kind, in any case."""
    found: dict[tuple[str, str], str] = {}
    for part in words(name):
        kind, colon, pair = part.partition(":")
        theirs, equals, ours = (piece.strip() for piece in pair.rpartition("="))
        if kind.strip() not in kinds or not (colon and equals and theirs and ours):
            raise ImproperlyConfigured(f"{name}: {part!r} must be kind:name=name, the kind one of {', '.join(kinds)}.")
        found[kind.strip(), theirs.casefold()] = ours
    return found


def choice(name: str, options: tuple[str, ...]) -> str:
    """The first option is the default."""
    value = text(name, options[0]).lower()
    if value not in options:
        raise ImproperlyConfigured(f"{name} is {value!r}: it must be one of {', '.join(options)}.")
    return value


def kept_secret(path: Path) -> str:
    """The secret kept in this file; a new one is made the first time, readable by its owner alone."""
    try:
        if not path.exists():
            _make_secret(path)
        return path.read_text().strip()
    except OSError as exc:
        trouble = f"The data folder {path.parent} cannot be used: {exc.strerror}."
        raise ImproperlyConfigured(f"{trouble} Make room, or set LECTERN_DATA to another folder.") from exc


def _make_secret(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_suffix(f".{os.getpid()}")
    draft.touch(mode=0o600)
    try:
        draft.write_text(secrets.token_urlsafe(48))
        os.link(draft, path)  # Whoever comes first wins: two processes started together read one secret.
    except FileExistsError:
        pass
    finally:
        draft.unlink()
