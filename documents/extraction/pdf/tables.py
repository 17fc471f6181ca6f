"""Tables of a PDF's page that are ruled: lines, or rectangles as thin as lines, that form a grid round the words.

A false table is worse than a missed one, so that a grid counts only if every part of it is a rectangle, no word lies
across a line, and its cells hold words as cells do.
"""

from __future__ import annotations

import re
from bisect import bisect, bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from documents.extraction.pages import Span, Table
from documents.extraction.pdf.objects import PATH, Area, Colour, Painted, joined
from documents.extraction.pdf.order import Flow, Word

THICKEST = 3.0  # points; what is thicker is no line
SHORTEST = 5.0  # points
SNAP = 2.5  # points between lines that are one
PATHS_MOST = 4_000  # on a page with tables; more are a drawing
RULINGS_MOST = 600  # in one direction
FIELDS_MOST = 2_500
COVER = 0.7  # of a cell's side must be ruled
SLACK = 2.0  # points a word may reach over a line
CELL_MOST = 1_200  # letters; more than one such cell is a layout
STRANGERS_MOST = 0.3  # of a table's words, which are no part of it and stand among them in the text

_CAPTION = re.compile(r"(table|tabelle|tableau|tabla|tabella|exhibit)\s+[\dA-Z][\w.-]*", re.IGNORECASE)


Cells = dict[int, list[int]]  # the places of the words in each


Ruling = tuple[float, float, float]  # x of a vertical one or y of a horizontal one; where it begins, where it ends


@dataclass
class Grid:
    """Where the lines are, from the left and from above, and to which cell each field between them belongs."""

    xs: list[float]
    ys: list[float]
    cells: list[list[int]]  # by row and column; a cell is named by the number of its first field

    @property
    def area(self) -> Area:
        return Area(self.xs[0], self.ys[-1], self.xs[-1], self.ys[0])

    def cell(self, left: float, right: float, y: float) -> int:
        """Which cell holds what stands there; -1 when it reaches into two, or out of the grid."""
        reach = min(SLACK, (right - left) / 3)
        row = self.cells[bisect(self._falling, -y) - 1]
        first, last = bisect(self.xs, left + reach) - 1, bisect(self.xs, right - reach) - 1
        return row[first] if 0 <= first <= last < len(row) and row[first] == row[last] else -1

    @cached_property
    def _falling(self) -> list[float]:
        return [-y for y in self.ys]


def grids(painted: Painted) -> list[Grid]:
    """The grids on the page, from above."""
    horizontals, verticals = _rulings(painted)
    if len(horizontals) < 3 or len(verticals) < 3:
        return []
    horizontals, verticals = _merged(horizontals), _merged(verticals)
    if max(len(horizontals), len(verticals)) > RULINGS_MOST:
        return []
    found = (_grid(*group) for group in _groups(horizontals, verticals))
    return sorted((grid for grid in found if grid), key=lambda grid: -grid.ys[0])


def _rulings(painted: Painted) -> tuple[list[Ruling], list[Ruling]]:
    horizontals: list[Ruling] = []
    verticals: list[Ruling] = []
    if len(painted.others) > PATHS_MOST:
        return [], []
    for (at, (left, bottom, right, top)), kind in zip(painted.boxes.items(), painted.kinds.values(), strict=True):
        width, height = right - left, top - bottom
        if kind != PATH:
            continue
        if height <= THICKEST and width >= SHORTEST:
            horizontals.append(((bottom + top) / 2, left, right))
        elif width <= THICKEST and height >= SHORTEST:
            verticals.append(((left + right) / 2, bottom, top))
        elif width > THICKEST and height > THICKEST and painted.is_drawn(at)[1]:
            for x, y, other_x, other_y in painted.lines(at, 40):
                if abs(y - other_y) <= 0.5 and abs(x - other_x) >= SHORTEST:
                    horizontals.append(((y + other_y) / 2, min(x, other_x), max(x, other_x)))
                elif abs(x - other_x) <= 0.5 and abs(y - other_y) >= SHORTEST:
                    verticals.append(((x + other_x) / 2, min(y, other_y), max(y, other_y)))
    return horizontals, verticals


def _merged(rulings: list[Ruling]) -> list[Ruling]:
    """Lines that lie on one another, or go on where another ends, as one; sorted."""
    found: list[Ruling] = []
    for group in _near(sorted({*rulings})):
        at = sum([place for place, _, _ in group]) / len(group)
        low, high = None, 0.0
        for begin, end in sorted([(begin, end) for _, begin, end in group]):
            if low is None or begin > high + SNAP:
                if low is not None:
                    found.append((at, low, high))
                low, high = begin, end
            high = max(high, end)
        if low is not None:
            found.append((at, low, high))
    return found


def _near(rulings: list[Ruling]) -> Iterator[list[Ruling]]:
    group: list[Ruling] = []
    for ruling in rulings:
        if group and ruling[0] - group[-1][0] > SNAP:
            yield group
            group = []
        group.append(ruling)
    if group:
        yield group


def _groups(horizontals: list[Ruling], verticals: list[Ruling]) -> Iterator[tuple[list[Ruling], list[Ruling]]]:
    """Lines that cross or touch, each group for itself."""
    parents = list(range(len(horizontals) + len(verticals)))

    def root(place: int) -> int:
        while parents[place] != place:
            parents[place] = place = parents[parents[place]]
        return place

    heights = [y for y, _, _ in horizontals]  # They are sorted.
    for column, (x, bottom, top) in enumerate(verticals, len(horizontals)):
        for row in range(bisect_left(heights, bottom - SNAP), bisect(heights, top + SNAP)):
            _, low, high = horizontals[row]
            if low - SNAP <= x <= high + SNAP and parents[row] != parents[column]:  # Else they are joined already.
                parents[root(row)] = root(column)
    groups: dict[int, tuple[list[Ruling], list[Ruling]]] = defaultdict(lambda: ([], []))
    for place, ruling in enumerate([*horizontals, *verticals]):
        groups[root(place)][place >= len(horizontals)].append(ruling)
    yield from groups.values()


def _grid(horizontals: list[Ruling], verticals: list[Ruling]) -> Grid | None:
    """None when a part of it is no rectangle, or hardly any line goes through."""
    ys, xs = sorted({y for y, _, _ in horizontals}, reverse=True), sorted({x for x, _, _ in verticals})
    rows, columns = len(ys) - 1, len(xs) - 1
    if rows < 2 or columns < 2 or rows * columns > FIELDS_MOST:
        return None
    cells = [[row * columns + column for column in range(columns)] for row in range(rows)]
    across, down = _by_place(verticals), _by_place(horizontals)

    def join(one: int, other: int) -> None:
        for line in cells:
            for column, cell in enumerate(line):
                if cell == max(one, other):
                    line[column] = min(one, other)

    for row in range(rows):
        for column in range(columns):
            if column and not _is_ruled(across[xs[column]], ys[row + 1], ys[row]):
                join(cells[row][column - 1], cells[row][column])
            if row and not _is_ruled(down[ys[row]], xs[column], xs[column + 1]):
                join(cells[row - 1][column], cells[row][column])
    count = len({cell for line in cells for cell in line})
    if count < max(4, 0.5 * rows * columns):
        return None
    return Grid(xs, ys, cells) if count == rows * columns or _are_rectangles(cells) else None


def _by_place(rulings: list[Ruling]) -> dict[float, list[Ruling]]:
    found: dict[float, list[Ruling]] = defaultdict(list)
    for ruling in rulings:
        found[ruling[0]].append(ruling)
    return found


def _is_ruled(rulings: list[Ruling], low: float, high: float) -> bool:
    wanted = COVER * (high - low)
    return any((end if end < high else high) - (begin if begin > low else low) >= wanted for _, begin, end in rulings)


def _are_rectangles(cells: list[list[int]]) -> bool:
    places: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for row, line in enumerate(cells):
        for column, cell in enumerate(line):
            places[cell].append((row, column))
    return all(
        len({row for row, _ in found}) * len({column for _, column in found}) == len(found) for found in places.values()
    )


# What stands in them


def tables(found: Sequence[Grid], painted: Painted, flow: Flow) -> list[Table]:
    """The grids that are tables, with their words put in order, one line a row."""
    words = flow.words_of(_near_grids(found, flow))
    filled = [(grid, cells) for grid, cells in _filled(found, words) if _is_table(grid, cells, words)]
    tables = []
    written = -1  # The last word that stands in a table.
    for grid, cells in sorted(filled, key=lambda each: min(map(min, each[1].values()))):
        own = sorted(place for places in cells.values() for place in places)
        strangers = own[-1] - own[0] + 1 - len(own)
        stretch = flow.text[words[own[0]][0] : words[own[-1]][1]].split()
        is_whole = len(stretch) == own[-1] - own[0] + 1  # Every word in between is known.
        if is_whole and own[0] > written and strangers <= STRANGERS_MOST * len(own):
            written = own[-1]
            tables.append(_table(grid, cells, own, words, painted, flow))
    return tables


def _near_grids(grids: Sequence[Grid], flow: Flow) -> list[Span]:
    """The parts of the text that reach from the first to the last line at the height of a grid."""
    spans = []
    for grid in grids:
        low, high = grid.ys[-1], grid.ys[0]
        lines = [(start, end) for start, end, bottom, top in flow.lines if low < (bottom + top) / 2 < high]
        if lines:
            spans.append((lines[0][0], lines[-1][1]))
    return joined(spans)


def _table(grid: Grid, cells: Cells, own: list[int], words: list[Word], painted: Painted, flow: Flow) -> Table:
    """The cells as a table; what stands among them in the text and is no part of it goes before it."""
    first, last = own[0], own[-1]
    strangers = sorted({*range(first, last + 1)} - {*own}) if last - first >= len(own) else []
    rows = {row: line for row in range(len(grid.cells)) if any(line := _row(grid, row, cells))}
    lines = [[place for cell in line for place in cell] for line in rows.values()]
    sizes = [end - start for start, end, *_ in words[first : last + 1]]
    starts = flow.weave(words, first, last, [strangers, *lines] if strangers else lines)
    table = Table([list(_spans(line, first, starts, sizes)) for line in rows.values()])
    _stand_alone(flow, table)
    table.header_rows = int(_has_header(grid, list(rows), painted, flow.text, table))
    table.name = _caption(flow.text, table.rows[0][0][0])
    return table


def _filled(grids: Sequence[Grid], words: list[Word]) -> Iterator[tuple[Grid, Cells]]:
    """The words of each grid's cells; a grid with a word across its lines is left out."""
    by_height = sorted(((bottom + top) / 2, place) for place, (_, _, _, bottom, _, top) in enumerate(words))
    for grid in grids:
        low_x, low_y, high_x, high_y = grid.area
        within = by_height[bisect(by_height, (low_y,)) : bisect(by_height, (high_y,))]
        cells: Cells = defaultdict(list)
        for place in sorted(place for _, place in within):
            _, _, left, bottom, right, top = words[place]
            if right <= low_x or left >= high_x:
                continue
            cell = grid.cell(left, right, (bottom + top) / 2)
            if cell < 0:
                break
            cells[cell].append(place)
        else:
            if cells:
                yield grid, cells


def _is_table(grid: Grid, cells: Cells, words: list[Word]) -> bool:
    width = len(grid.xs) - 1
    columns, rows = {cell % width for cell in cells}, {cell // width for cell in cells}
    sizes = [sum(words[place][1] - words[place][0] for place in places) for places in cells.values()]
    return len(cells) >= 3 and len(columns) >= 2 and len(rows) >= 2 and sum(size > CELL_MOST for size in sizes) <= 1


def _row(grid: Grid, row: int, cells: Cells) -> list[list[int]]:
    """The words of a row's cells; a cell over several rows or columns stands in its first field."""
    width = len(grid.xs) - 1
    return [cells.get(cell, []) if cell == row * width + column else [] for column, cell in enumerate(grid.cells[row])]


def _spans(line: list[list[int]], first: int, starts: list[int], sizes: list[int]) -> Iterator[Span]:
    """The spans of a row's cells; an empty one where it would stand."""
    filled = [cell for cell in line if cell]
    end = starts[filled[0][0] - first]
    for cell in line:
        if cell:
            start, last = starts[cell[0] - first], cell[-1] - first
            end = starts[last] + sizes[last]
            yield start, end
        else:
            yield end, end


def _stand_alone(flow: Flow, table: Table) -> None:
    """End the line before the table and the last one of it, where a blank leaves room for that."""
    for offset in (table.rows[0][0][0] - 1, table.rows[-1][-1][1]):
        if 0 <= offset < len(flow.text) and flow.text[offset] in " \t":
            flow.text = flow.text[:offset] + "\n" + flow.text[offset + 1 :]


def _has_header(grid: Grid, rows: list[int], painted: Painted, text: str, table: Table) -> bool:
    """Whether the first row is shaded and the next is not, or names every column and holds no number."""
    shade = _shade(grid, rows[0], painted)
    if shade and shade != _shade(grid, rows[1], painted):
        return True
    names = [text[start:end] for start, end in table.rows[0]]
    return all(names) and not any(letter.isdigit() for name in names for letter in name)


def _shade(grid: Grid, row: int, painted: Painted) -> Colour | None:
    """The colour behind a row's first field; None when it is the paper's."""
    x, y = (grid.xs[0] + grid.xs[1]) / 2, (grid.ys[row] + grid.ys[row + 1]) / 2
    for at, (left, bottom, right, top) in painted.grounds:
        if left <= x <= right and bottom <= y <= top and painted.kinds[at] == PATH and painted.is_drawn(at)[0]:
            (colour,) = painted.colours([at])
            return colour if min(colour[:3]) < 250 else None
    return None


def _caption(text: str, start: int) -> str:
    """The line before the table, if it calls itself one."""
    before = text[max(0, start - 400) : start].rstrip().rpartition("\n")[2].strip()
    return before if _CAPTION.match(before) and len(before) <= 300 else ""
