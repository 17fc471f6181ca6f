"""An OData filter, as Azure AI Search reads them, into a condition on documents.

Comparisons, `search.in`, `and`, `or`, `not` and brackets over a few named fields. Whatever it says, it narrows what a
person may read and never widens it: it is only ever applied to rows they may read. A position counts letters from 0.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db.models import CharField, Func, Q, Value
from django.db.models.functions import Coalesce, NullIf

from documents.models import DocumentQuerySet
from project.provider.pieces import bearable

LETTERS_MOST, DEPTH_MOST, VALUES_MOST, DIGITS_MOST = 20_000, 40, 2_000, 18
UUID_IN_URL = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.I)
TOKEN = re.compile(
    r"(?P<text>'(?:[^']|'')*')"
    r"|(?P<date>\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)?(?:Z|[+-]\d\d:\d\d)?)"
    r"|(?P<number>-?\d+(?:\.\d+)?)"
    r"|(?P<word>[A-Za-z_][\w.]*)"
    r"|(?P<mark>[(),])",
    re.ASCII,
)
LOOKUPS = {"eq": "", "ne": "", "gt": "__gt", "ge": "__gte", "lt": "__lt", "le": "__lte"}
# A document without a title is shown by its name without the ending.
SHOWN_TITLE = Coalesce(
    NullIf("title", Value("")),
    Func("name", Value(r"(.)\.[^.]*$"), Value(r"\1"), function="regexp_replace", output_field=CharField()),
)


class FilterFault(ValueError):
    """The filter cannot be read; str(exc) says what is wrong with it and where."""


@dataclass(frozen=True)
class _Field:
    lookup: str
    kind: type  # of what it may be compared with


FIELDS = {
    "title": _Field("shown_title", str),
    "filepath": _Field("name", str),
    "url": _Field("pk", UUID),
    "document_id": _Field("pk", UUID),
    "collection": _Field("collection__name", str),
    "language": _Field("language", str),
    "kind": _Field("kind", str),
    "version": _Field("version", int),
    "size": _Field("size", int),
    "page_count": _Field("page_count", int),
    "created_at": _Field("created_at", datetime),
}


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    at: int


def narrowed(rows: DocumentQuerySet, written: str, names: Mapping[str, str] | None = None) -> DocumentQuerySet:
    """Those of the documents that the filter lets through. `names` are further names of fields. Raises FilterFault."""
    return rows.alias(shown_title=SHOWN_TITLE).filter(condition(written, names))


def condition(written: str, names: Mapping[str, str] | None = None) -> Q:
    """What a document must fulfil, over rows with `shown_title`. Raises FilterFault."""
    if len(written) > LETTERS_MOST:
        raise FilterFault(f"The filter is longer than {LETTERS_MOST:,} letters.")
    return _Reader(written, names or {}).whole()


class _Reader:
    """Reads from left to right, `or` binding less than `and`, and `and` less than `not`."""

    def __init__(self, written: str, names: Mapping[str, str]) -> None:
        self.tokens, self.names, self.at = _tokens(written), names, 0
        self.end, self.depth = len(written), 0

    def whole(self) -> Q:
        found = self._either()
        if self.at < len(self.tokens):
            raise self._fault("Nothing, “and” or “or” was expected")
        return found

    def _either(self) -> Q:
        self.depth += 1
        if self.depth > DEPTH_MOST:
            raise self._fault("The brackets are too deep")
        found = self._both()
        while self._takes("or"):
            found |= self._both()
        self.depth -= 1
        return found

    def _both(self) -> Q:
        found = self._one()
        while self._takes("and"):
            found &= self._one()
        return found

    def _one(self) -> Q:
        is_turned = False
        while self._takes("not"):
            is_turned = not is_turned
        found = self._bracket()
        return ~found if is_turned else found

    def _bracket(self) -> Q:
        if self._takes("("):
            found = self._either()
            self._needs(")")
            return found
        if self._takes("search.in"):
            return self._search_in()
        return self._comparison()

    def _comparison(self) -> Q:
        field = self._field()
        operator = self._next("A comparison (eq, ne, gt, ge, lt or le) was expected")
        if operator.text not in LOOKUPS:
            raise self._fault(f"“{operator.text[:40]}” is no comparison (eq, ne, gt, ge, lt or le)", operator)
        if operator.text not in {"eq", "ne"} and field.kind in {str, UUID}:
            raise self._fault(f"Text is compared by eq, ne or search.in, not by {operator.text}", operator)
        found = _compared(field, LOOKUPS[operator.text], self._value(field))
        return ~found if operator.text == "ne" else found

    def _search_in(self) -> Q:
        """search.in(field, 'one|other', '|'); blanks and commas part them unless it says what does."""
        self._needs("(")
        field = self._field()
        if field.kind not in {str, UUID}:
            raise self._fault("search.in takes a field of text", self.tokens[self.at - 1])
        self._needs(",")
        listed = self._text()
        between = self._text() if self._takes(",") else " ,"
        self._needs(")")
        values = [value for value in re.split(f"[{re.escape(between)}]", listed) if value] if between else [listed]
        if len(values) > VALUES_MOST:
            raise self._fault(f"search.in takes {VALUES_MOST:,} values at most")
        known = [value if field.kind is str else _document_id(value) for value in values]
        return Q(**{f"{field.lookup}__in": [value for value in known if value is not None]})

    # Words and values ------------------------------------------------------------------------------------------------
    def _field(self) -> _Field:
        token = self._next("The name of a field was expected")
        name = self.names.get(token.text, token.text)
        if token.kind != "word" or name not in FIELDS:
            raise self._fault(f"There is no field “{token.text[:60]}”; there are {', '.join(FIELDS)}", token)
        return FIELDS[name]

    def _value(self, field: _Field) -> Any:
        token = self._next("A value was expected")
        if token.text == "null":
            return None
        read = READERS[field.kind]
        try:
            return read(token)
        except (ValueError, OverflowError):
            raise self._fault(f"“{token.text[:60]}” is not {MEANT[field.kind]}", token) from None

    def _text(self) -> str:
        token = self._next("A text in quotation marks was expected")
        if token.kind != "text":
            raise self._fault("A text in quotation marks was expected", token)
        return _unquoted(token)

    def _takes(self, text: str) -> bool:
        is_there = self.at < len(self.tokens) and self.tokens[self.at].text == text
        self.at += is_there
        return is_there

    def _needs(self, text: str) -> None:
        if not self._takes(text):
            raise self._fault(f"“{text}” was expected")

    def _next(self, expected: str) -> _Token:
        if self.at == len(self.tokens):
            raise self._fault(expected)
        self.at += 1
        return self.tokens[self.at - 1]

    def _fault(self, said: str, token: _Token | None = None) -> FilterFault:
        if token is None and self.at < len(self.tokens):
            token = self.tokens[self.at]
        place = token.at if token else self.end
        return FilterFault(f"Invalid expression: syntax error at position {place}. {said}.")


def _tokens(written: str) -> list[_Token]:
    found, at = [], 0
    while at < len(written):
        if written[at].isspace():
            at += 1
            continue
        token = TOKEN.match(written, at)
        if token is None:
            raise FilterFault(f"Invalid expression: syntax error at position {at}. “{written[at]}” was not expected.")
        found.append(_Token(str(token.lastgroup), token[0], at))
        at = token.end()
    return found


def _compared(field: _Field, lookup: str, value: Any) -> Q:
    """What is empty counts as null; a number or an address never is."""
    if value is None:
        return Q(**{field.lookup: ""}) if field.kind is str else Q(pk__in=[])
    if value is NOWHERE:
        return Q(pk__in=[])
    return Q(**{field.lookup + lookup: value})


NOWHERE = object()  # An address that is no document's of ours.


def _unquoted(token: _Token) -> str:
    if token.kind != "text":
        raise ValueError
    return bearable(token.text[1:-1].replace("''", "'").replace("\x00", ""))


def _document_id(url: str) -> UUID | None:
    found = UUID_IN_URL.search(url)
    return UUID(found[0]) if found else None


def _place(token: _Token) -> object:
    return _document_id(_unquoted(token)) or NOWHERE


def _number(token: _Token) -> int:
    if token.kind != "number" or len(token.text) > DIGITS_MOST:
        raise ValueError
    return int(token.text)


def _moment(token: _Token) -> datetime:
    if token.kind != "date":
        raise ValueError
    moment = datetime.fromisoformat(token.text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


READERS: dict[type, Callable[[_Token], Any]] = {str: _unquoted, UUID: _place, int: _number, datetime: _moment}
MEANT = {
    str: "a text in quotation marks",
    UUID: "an address in quotation marks",
    int: "a whole number",
    datetime: "a day",
}
