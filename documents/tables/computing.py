"""Compute over an extracted table, exactly: what is asked is a plan of a few known words, never an expression. Pure.

Every result names the cells it rests on. What could be meant in two ways is refused with the reason: numbers of two
currencies, a key that stands twice.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from itertools import islice
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from documents.tables.numbers import BLANKS, Number, Point, is_doubtful, number_of, written
from documents.tables.reading import Cell, Row, WholeTable

DIGITS = 300  # of every sum and product on the way: more than any number of a table can need
NAMED_MOST = 5  # cells or columns that a sentence names
COLUMNS_NAMED = 40
_DAY = re.compile(r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d)?)?")

Name = Annotated[str, StringConstraints(max_length=200)]
Value = Annotated[str, StringConstraints(max_length=500)]
Comparison = Literal["=", "!=", "<", "<=", ">", ">=", "contains"]
Operation = Literal["sum", "mean", "min", "max", "count", "count distinct", "rows"]
_COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class CannotCompute(ValueError):
    """The plan does not fit the table; str(exc) says what is wrong and what there is."""


class _Words(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Condition(_Words):
    column: Name
    comparison: Comparison
    value: Value = Field(description="Written as in the table, such as North, 1,200.50 or 2026-03-31.")


class Plan(_Words):
    """What is computed of the rows that meet every condition."""

    operation: Operation = Field(description="rows: show the rows themselves.")
    column: Name | None = Field(None, description="The column computed, or sorted by. count: null counts rows.")
    where: Annotated[list[Condition], Field(max_length=10)] = Field([], description="All of them must hold.")
    group_by: Name | None = Field(None, description="A result for each value of this column.")
    order: Literal["ascending", "descending"] | None = Field(None, description="Of groups by result, or of rows.")
    most: Annotated[int, Field(ge=1, le=100)] = Field(20, description="Groups or rows at most.")


@dataclass(frozen=True)
class Line:
    """One result: a number with the cells it rests on, or a row."""

    text: str
    value: Decimal | None
    cells: Sequence[Cell]
    label: str = ""  # the group's, where there are several


@dataclass(frozen=True)
class Result:
    formula: str  # in words: sum of “Amount” in “Costs” where “Region” = “North”
    lines: Sequence[Line]
    notes: Sequence[str] = ()  # what a reader must know: cells left out, a number that could be read in two ways


@dataclass(frozen=True)
class _Column:
    """A column of one of the two tables of a computation."""

    table: WholeTable
    side: int  # 0: of the table asked about; 1: of the one joined to it
    at: int
    name: str
    point: Point

    def cell(self, entry: _Entry) -> Cell:
        return self.table.cell(entry[self.side], self.at)

    def text(self, entry: _Entry) -> str:
        return entry[self.side].text(self.at)

    def number(self, entry: _Entry) -> Number | None:
        return number_of(self.text(entry), self.point)


_Entry = tuple[Row, ...]  # a row, and the one joined to it


@dataclass(frozen=True)
class Joined:
    """Another table whose row with the same key is read beside each row."""

    table: WholeTable
    key: str  # the column in the table asked about
    other_key: str  # the column in this one


def compute(table: WholeTable, plan: Plan, joined: Joined | None = None) -> Result:
    """The result of a plan. Raises CannotCompute."""
    with localcontext(prec=DIGITS):
        return _Computation(table, plan, joined).result()


@dataclass
class _Computation:
    table: WholeTable
    plan: Plan
    joined: Joined | None
    notes: list[str] = field(default_factory=list)

    def result(self) -> Result:
        plan = self.plan
        entries = self._without_totals(self._selected(self._entries()))
        column = self._column(plan.column) if plan.column else None
        if plan.operation == "rows":
            lines = self._rows(entries, column)
        elif plan.group_by:
            lines = self._groups(entries, column, self._column(plan.group_by))
        else:
            lines = [self._computed(entries, column)]
        return Result(self._formula(), lines, self.notes)

    # Rows ------------------------------------------------------------------------------------------------------------
    def _entries(self) -> list[_Entry]:
        if self.joined is None:
            return [(row,) for row in self.table.rows]
        other = self._column(self.joined.other_key, side=1)
        partners: dict[object, Row] = {}
        for row in self.joined.table.rows:
            key = _key(row.text(other.at), other.point)
            if key and key in partners and not row.is_total:
                first, again = (self.joined.table.cell(each, other.at).name for each in (partners[key], row))
                raise CannotCompute(
                    f"“{row.text(other.at)}” stands twice in “{other.name}” of “{self.joined.table.name}” "
                    f"({first} and {again}), so rows cannot be joined by it. Join the other way round."
                )
            partners.setdefault(key, row)
        own = self._column(self.joined.key, side=0)
        keys = [(row, _key(row.text(own.at), own.point)) for row in self.table.rows]
        found: list[_Entry] = [(row, partners[key]) for row, key in keys if key and key in partners]
        lonely = sum(1 for row, key in keys if not (key and key in partners) and not row.is_total)
        if lonely:
            self.notes.append(f"{lonely} rows have no partner in “{self.joined.table.name}” and were left out.")
        return found

    def _selected(self, entries: list[_Entry]) -> list[_Entry]:
        for condition in self.plan.where:
            holds = _test(condition, self._column(condition.column))
            entries = [entry for entry in entries if holds(entry)]
        return entries

    def _without_totals(self, entries: list[_Entry]) -> list[_Entry]:
        """Rows that sum others up are not counted with them; asked for by themselves they are."""
        totals = [entry for entry in entries if entry[0].is_total]
        if not totals or len(totals) == len(entries) or self.plan.operation == "rows":
            return entries
        names = _listed([self.table.cell(entry[0], 0).name for entry in totals])
        self.notes.append(f"Left out as totals of other rows: {names}.")
        return [entry for entry in entries if not entry[0].is_total]

    def _column(self, name: str, side: int | None = None) -> _Column:
        """The column of this name, first of the table asked about; else by the letter a spreadsheet gives it."""
        tables = [self.table, *([self.joined.table] if self.joined else [])]
        asked = " ".join(name.split()).casefold()
        found = [(number, table) for number, table in enumerate(tables) if side in {None, number}]
        for read in (_named, _by_letter):
            for number, table in found:
                if (at := read(table, asked)) is not None:
                    return _Column(table, number, at, table.columns[at], table.point(at))
        there = "; ".join(f"“{table.name}”: {_listed(table.columns, COLUMNS_NAMED)}" for _, table in found)
        raise CannotCompute(f"There is no column “{name[:80]}”. The columns are, in {there}.")

    # Results ---------------------------------------------------------------------------------------------------------
    def _computed(self, entries: list[_Entry], column: _Column | None, label: str = "") -> Line:
        operation = self.plan.operation
        if column is None and operation != "count":
            raise CannotCompute(f"“{operation}” needs a column.")
        if operation in {"count", "count distinct"}:
            return self._counted(entries, column, label)
        assert column is not None
        numbered = self._numbers(entries, column)
        if not numbered:
            return Line("no value, for no number is left to compute with", None, [], label)
        units = {number.unit for _, number in numbered if number.unit}
        if len(units) > 1:
            raise CannotCompute(
                f"“{column.name}” holds {_listed(sorted(units))}, which cannot be computed together. Add a condition."
            )
        unit, value = "".join(units), _VALUES[operation]([number.value for _, number in numbered])
        if operation in {"sum", "mean"}:
            shown = self._shown(value, unit, [(column.text(entry), number.value) for entry, number in numbered], column)
        else:
            numbered = [(entry, number) for entry, number in numbered if number.value == value]
            rows = [f"\n  {self._row_text(entry)}" for entry, _ in numbered[:NAMED_MOST]]
            shown = "".join([column.text(numbered[0][0]), *rows])
        return Line(shown, value, [column.cell(entry) for entry, _ in numbered], label)

    def _shown(self, value: Decimal, unit: str, summed: list[tuple[str, Decimal]], column: _Column) -> str:
        """As the column writes its numbers; a mean that goes on and on is rounded."""
        great = [text for text, number in summed if abs(number) >= 1_000]
        is_grouped = not great or any(not re.search(r"\d{4}", text) for text in great)
        places = max(-int(number.as_tuple().exponent) for _, number in summed)
        if -int(value.as_tuple().exponent) > places + 4:
            rounded = round(value, max(places, 0) + 4)
            return f"about {written(rounded, unit, column.point, is_grouped=is_grouped)} (rounded)"
        return written(value, unit, column.point, is_grouped=is_grouped)

    def _counted(self, entries: list[_Entry], column: _Column | None, label: str) -> Line:
        if column is None:
            cells = [self.table.cell(entry[0], _first_full(entry[0])) for entry in entries]
            return Line(str(len(entries)), Decimal(len(entries)), cells, label)
        full = [entry for entry in entries if column.text(entry).casefold() not in BLANKS]
        if self.plan.operation == "count distinct":
            first: dict[object, _Entry] = {}
            for entry in full:
                first.setdefault(_key(column.text(entry), column.point), entry)
            full = list(first.values())
        return Line(str(len(full)), Decimal(len(full)), [column.cell(entry) for entry in full], label)

    def _groups(self, entries: list[_Entry], column: _Column | None, by: _Column) -> list[Line]:
        groups: dict[object, list[_Entry]] = {}
        for entry in entries:
            groups.setdefault(_key(by.text(entry), by.point), []).append(entry)
        lines = [self._computed(each, column, by.text(each[0]) or "(empty)") for each in groups.values()]
        if self.plan.order:
            empty = [line for line in lines if line.value is None]
            lines = [line for line in lines if line.value is not None]
            lines.sort(key=lambda line: line.value or 0, reverse=self.plan.order == "descending")
            lines += empty
        return self._first(lines, "groups")

    def _rows(self, entries: list[_Entry], column: _Column | None) -> list[Line]:
        if column and self.plan.order:
            entries = _sorted(entries, column, is_descending=self.plan.order == "descending")
        lines = [Line(self._row_text(entry), None, self._row_cells(entry)) for entry in entries[: self.plan.most]]
        if len(entries) > len(lines):
            self.notes.append(f"{len(lines)} of {len(entries)} rows are shown.")
        return lines

    def _first(self, lines: list[Line], kind: str) -> list[Line]:
        if len(lines) > self.plan.most:
            self.notes.append(f"{self.plan.most} of {len(lines)} {kind} are shown.")
        return lines[: self.plan.most]

    def _row_cells(self, entry: _Entry) -> list[Cell]:
        tables = [self.table, *([self.joined.table] if self.joined else [])]
        cells = [table.cell(row, at) for table, row in zip(tables, entry, strict=True) for at in range(len(row.spans))]
        return [cell for cell in cells if cell.text]

    def _row_text(self, entry: _Entry) -> str:
        tables = [self.table, *([self.joined.table] if self.joined else [])]
        told = [
            f"{name}: {text}"
            for table, row in zip(tables, entry, strict=True)
            for at, name in enumerate(table.columns)
            if (text := " ".join(row.text(at).split()))
        ]
        return " | ".join(told)

    def _numbers(self, entries: list[_Entry], column: _Column) -> list[tuple[_Entry, Number]]:
        """The numbers of a column; what is none is told of, and refused where it is the half of them."""
        full = [entry for entry in entries if column.text(entry).casefold() not in BLANKS]
        read = [(entry, column.number(entry)) for entry in full]
        numbered = [(entry, number) for entry, number in read if number]
        others = [column.cell(entry) for entry, number in read if not number]
        if others and len(others) >= len(numbered):
            raise CannotCompute(f"“{column.name}” does not hold numbers but, for example, {_quoted(others)}.")
        if others:
            self._note(f"Left out, because they are no numbers: {_quoted(others)}.")
        if len(full) < len(entries):
            self._note(f"{len(entries) - len(full)} empty cells were left out.")
        self._note_doubts([column.text(entry) for entry, _ in numbered], column.point)
        return numbered

    def _note_doubts(self, texts: list[str], point: Point) -> None:
        """Say how 1,234 was read where no other number of the column shows it."""
        doubtful = next(filter(is_doubtful, texts), "")
        if point and doubtful and all(number_of(text, "," if point == "." else ".") for text in texts):
            read = number_of(doubtful, point)
            self._note(f"“{doubtful}” was read as {read.value if read else ''}; nothing in the column says which.")

    def _note(self, sentence: str) -> None:
        if sentence not in self.notes:
            self.notes.append(sentence)

    def _formula(self) -> str:
        plan = self.plan
        words = [plan.operation if plan.operation == "rows" or not plan.column else f"{plan.operation} of"]
        words += [f"“{plan.column}”"] if plan.column and plan.operation != "rows" else []
        words += ["rows"] if plan.operation == "count" and not plan.column else []
        words.append(f"in “{self.table.name}”")
        if self.joined:
            words.append(f"joined with “{self.joined.table.name}” by “{self.joined.key}” = “{self.joined.other_key}”")
        if plan.where:
            each = (f"“{one.column}” {one.comparison} “{one.value}”" for one in plan.where)
            words.append(f"where {' and '.join(each)}")
        words += [f"for each “{plan.group_by}”"] if plan.group_by else []
        words += [f"by “{plan.column}”"] if plan.operation == "rows" and plan.column and plan.order else []
        return " ".join([*words, *filter(None, [plan.order])])


_VALUES: dict[str, Callable[[list[Decimal]], Decimal]] = {
    "sum": lambda values: sum(values, Decimal(0)),
    "mean": lambda values: sum(values, Decimal(0)) / len(values),
    "min": min,
    "max": max,
}


def _named(table: WholeTable, asked: str) -> int | None:
    return next((at for at, name in enumerate(table.columns) if name.casefold() == asked), None)


def _by_letter(table: WholeTable, asked: str) -> int | None:
    letter = asked.removeprefix("column ")
    return next((at for at in range(len(table.columns)) if table.letters(at).casefold() == letter), None)


def _key(text: str, point: Point) -> object:
    """What makes two cells the same: their number, or their words; 007 is no number but a name.

    >>> _key("1,001", ".") == _key("1001.0", "."), _key("007", ".") == _key("7", "."), _key(" North ", ".")
    (True, False, 'north')
    """
    words = " ".join(text.split()).casefold()
    number = None if re.match(r"0\d", words) else number_of(words, point)
    return (number.value, number.unit.casefold()) if number else words


def _test(condition: Condition, column: _Column) -> Callable[[_Entry], bool]:
    wanted = condition.value
    words = " ".join(wanted.split()).casefold()
    if condition.comparison == "contains":
        return lambda entry: words in " ".join(column.text(entry).split()).casefold()
    if condition.comparison in {"=", "!="}:
        keys = {_key(wanted, point) for point in (column.point, ".") if point == column.point or number_of(wanted)}
        is_wanted = condition.comparison == "="
        plain = next((key[0] for key in keys if isinstance(key, tuple) and not key[1]), None)
        return lambda entry: _is_same(_key(column.text(entry), column.point), keys, plain) == is_wanted
    compared = _COMPARED[condition.comparison]
    if _DAY.fullmatch(wanted.strip()):
        day = wanted.strip()
        return lambda entry: bool(_DAY.fullmatch(column.text(entry))) and compared(column.text(entry)[: len(day)], day)
    bound = number_of(wanted, column.point) or number_of(wanted)
    if bound is None:
        raise CannotCompute(f"“{wanted[:80]}” is no number and no day, so nothing can be {condition.comparison} it.")
    return lambda entry: (number := column.number(entry)) is not None and compared(number.value, bound.value)


def _is_same(key: object, keys: set[object], plain: object) -> bool:
    """A number without a unit is meant whatever the unit of the cell."""
    return key in keys or (plain is not None and isinstance(key, tuple) and key[0] == plain)


def _sorted(entries: list[_Entry], column: _Column, *, is_descending: bool) -> list[_Entry]:
    """By number where the column holds numbers, else by its words; what is empty or no number comes last."""
    numbers = [(entry, column.number(entry)) for entry in entries]
    numbered = [(entry, number) for entry, number in numbers if number]
    if len(numbered) * 2 > len(entries):
        ordered = sorted(numbered, key=lambda each: each[1].value, reverse=is_descending)
        return [*(entry for entry, _ in ordered), *(entry for entry, number in numbers if not number)]
    full = [entry for entry in entries if column.text(entry)]
    ordered_words = sorted(full, key=lambda entry: column.text(entry).casefold(), reverse=is_descending)
    return [*ordered_words, *(entry for entry in entries if not column.text(entry))]


def _first_full(row: Row) -> int:
    return next((at for at in range(len(row.spans)) if row.text(at)), 0)


def _quoted(cells: Sequence[Cell]) -> str:
    return _listed([f"“{cell.text[:40]}” ({cell.name})" for cell in cells])


def _listed(names: Iterable[str], most: int = NAMED_MOST) -> str:
    """The first few, and how many more there are.

    >>> _listed(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    told = list(names)
    shown = ", ".join(islice(told, most))
    return f"{shown} and {len(told) - most} more" if len(told) > most else shown
