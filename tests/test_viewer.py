"""A page as it is shown: its text in the shape it has, every letter once and in order, what is lit and outlined."""

from __future__ import annotations

import random
import re
from html import unescape

import pytest
from django.template.loader import render_to_string

from documents.models import State
from documents.textview import Block, Cell, Stretch, blocks, column_name
from tests.rows import page, row

TEXT = "# Rents\n\nThe rent is due in May.\n\nItem | Amount | Due\nHeat | 40 | May\nWater |  | June\n\nThat is all."
START = TEXT.index("Item")


def table(text: str = TEXT, start: int = START, rows: int = 3, **facts) -> dict:
    """The rows that stand from there on, cells parted by " | ", as a page keeps them."""
    found = []
    for line in text[start:].split("\n")[:rows]:
        cells, at = [], start
        for cell in line.split(" | "):
            cells.append([at, at + len(cell)])
            at += len(cell) + 3
        found.append(cells)
        start += len(line) + 1
    return {"rows": found, "header_rows": 1, "name": "", "numbers": [], "first_column": 1} | facts


def span(words: str, text: str = TEXT) -> tuple[int, int]:
    return text.index(words), text.index(words) + len(words)


def stretches(block: Block) -> list[Stretch]:
    return [*block.stretches, *(each for line in block.rows for cell in line.cells for each in cell.stretches)]


def shown(block: Block) -> str:
    return "".join(piece.text for stretch in stretches(block) for piece in stretch.pieces)


def words(cell: Cell) -> str:
    return "".join(piece.text for stretch in cell.stretches for piece in stretch.pieces)


def letters(text: str) -> str:
    """Without blanks, what parts cells, and what Markdown writes before a heading."""
    return re.sub(r"^#{1,6}[ \t]+|[\s|]", "", text, flags=re.MULTILINE)


def marked(found: list[Block]) -> list[tuple[str, int]]:
    pieces = [piece for block in found for stretch in stretches(block) for piece in stretch.pieces]
    return [(piece.text, piece.mark) for piece in pieces if piece.mark is not None]


# The shape ---------------------------------------------------------------------------------------------------------
def test_a_heading_is_one():
    first = blocks(TEXT, headings=[[0, 1, "Rents"]])[0]
    assert (first.level, shown(first)) == (1, "Rents")


def test_a_heading_that_goes_on_in_the_next_line_is_one():
    text = "Notice of a very\r\nlong title\r\nWords."
    assert shown(blocks(text, headings=[[0, 2, "Notice of a very long title"]])[0]) == "Notice of a very\r\nlong title"


def test_the_levels_of_a_page_begin_at_one_and_leave_none_out():
    text = "a\nb\nc\nd"
    found = blocks(text, headings=[[0, 3, "a"], [2, 6, "b"], [4, 3, "c"], [6, 2, "d"]])
    assert [block.level for block in found] == [1, 2, 1, 1]


@pytest.mark.parametrize("title", ["Deposits", "", "May"])
def test_a_heading_that_does_not_agree_with_its_line_is_left_out(title):
    assert [block.level for block in blocks(TEXT, headings=[[TEXT.index("The rent"), 1, title]])] == [0]


def test_a_heading_behind_the_end_is_left_out():
    assert [block.level for block in blocks("Rent", headings=[[900, 1, "Heat"]])] == [0]


def test_a_table_has_its_rows_and_cells():
    block = blocks(TEXT, tables=[table()])[1]
    assert [[words(cell) for cell in line.cells] for line in block.rows] == [
        ["Item", "Amount", "Due"],
        ["Heat", "40", "May"],
        ["Water", "", "June"],
    ]


def test_header_cells_are_told_from_the_others():
    block = blocks(TEXT, tables=[table()])[1]
    assert [line.cells[0].is_header for line in block.rows] == [True, False, False]


def test_a_sheet_has_row_numbers_and_column_letters():
    block = blocks(TEXT, tables=[table(numbers=[3, 7, 8], first_column=2)])[1]
    assert ([line.number for line in block.rows], block.columns) == ([3, 7, 8], ["B", "C", "D"])


def test_columns_are_named_as_a_sheet_names_them():
    assert [column_name(number) for number in (1, 26, 27, 702, 703)] == ["A", "Z", "AA", "ZZ", "AAA"]


def test_text_before_and_behind_a_table_stays_running_text():
    assert [len(block.rows) for block in blocks(TEXT, tables=[table()])] == [0, 3, 0]


def test_letters_between_two_cells_are_not_lost():
    found = blocks("a -- b", tables=[{"rows": [[[0, 1], [5, 6]]]}])
    assert [words(cell) for cell in found[0].rows[0].cells] == ["a -- ", "b"]


def test_the_dashes_below_a_header_in_markdown_are_no_row():
    found = blocks("| a | b |\n|---|:-:|\n| c | d |", tables=[{"rows": [[[2, 3], [6, 7]], [[22, 23], [26, 27]]]}])
    assert [[words(cell) for cell in line.cells] for line in found[0].rows] == [["a", "b"], ["c", "d"]]


def test_bars_at_the_borders_of_a_table_are_not_shown_as_text():
    found = blocks("Rent\n| a | b |\nHeat", tables=[{"rows": [[[7, 8], [11, 12]]]}])
    assert [shown(block) for block in found] == ["Rent", "ab", "Heat"]


@pytest.mark.parametrize(
    "rows",
    [
        [[[5, 6], [0, 1]]],  # out of order
        [[[0, 3], [2, 5]]],  # one over the other
        [[[0, 900]]],  # behind the end
        [[[3, 3]]],  # nothing in it
        [],
    ],
)
def test_a_table_that_does_not_agree_with_the_text_is_left_out(rows):
    found = blocks("a -- b", tables=[{"rows": rows}])
    assert [(block.rows, shown(block)) for block in found] == [([], "a -- b")]


def test_of_two_tables_in_one_place_one_is_drawn():
    assert sum(bool(block.rows) for block in blocks(TEXT, tables=[table(), table()])) == 1


# What is lit ---------------------------------------------------------------------------------------------------------
def test_a_mark_lights_its_words_and_no_others():
    assert marked(blocks(TEXT, marks=[span("due in May")])) == [("due in May", 0)]


def test_words_that_lie_in_two_marks_are_lit_for_both():
    found = blocks(TEXT, marks=[span("rent is due in May"), span("due in May")])
    pieces = [piece for block in found for stretch in stretches(block) for piece in stretch.pieces if piece.marks]
    assert [(piece.text, piece.marks) for piece in pieces] == [("rent is ", (0,)), ("due in May", (0, 1))]


def test_a_mark_in_a_table_lights_its_cell():
    block = blocks(TEXT, tables=[table()], marks=[span("40")])[1]
    assert [words(cell) for line in block.rows for cell in line.cells if cell.is_lit] == ["40"]


def test_a_mark_over_two_cells_leaves_what_parts_them_dark():
    assert marked(blocks(TEXT, tables=[table()], marks=[span("Heat | 40")])) == [("Heat", 0), ("40", 0)]


def test_marks_keep_their_numbers():
    assert marked(blocks(TEXT, marks=[span("May"), span("rent")])) == [("rent", 1), ("May", 0)]


def test_the_passage_has_one_first_and_one_last_stretch_over_headings_and_tables():
    found = blocks(TEXT, headings=[[0, 1, "Rents"]], tables=[table()], passage=(0, TEXT.index("Water")))
    inside = [stretch for block in found for stretch in stretches(block) if stretch.in_passage]
    assert ([each.is_first for each in inside].index(True), sum(each.is_first for each in inside)) == (0, 1)
    assert [each.pieces[-1].text for each in inside if each.is_last] == ["May"]


def test_what_is_withheld_says_why():
    start, end = span("rent is due")
    found = blocks(TEXT, findings=[[start, end, "hidden", "white on white"]])
    pieces = [piece for stretch in stretches(found[0]) for piece in stretch.pieces]
    assert [(piece.text, piece.withheld) for piece in pieces if piece.withheld] == [("rent is due", "white on white")]


# Nothing lost --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("seed", range(60))
def test_every_letter_is_shown_once_and_in_order_whatever_is_drawn_round_it(seed):
    chance = random.Random(seed)  # noqa: S311
    text = "".join(chance.choice("ab|  \n\r\té漢ש") for _ in range(chance.randrange(1, 90)))

    def cut() -> list[int]:
        return sorted(chance.randrange(len(text) + 1) for _ in range(2))

    tables = [{"rows": [[cut() for _ in range(chance.randrange(3))] for _ in range(3)], "header_rows": 1}]
    borders = sorted(chance.randrange(len(text) + 1) for _ in range(8))
    tables.append({"rows": [[borders[0:2], borders[2:4]], [borders[4:6], borders[6:8]]], "numbers": [1, 2]})
    headings = [[(at := chance.randrange(len(text))), 1, text[at : at + 3]] for _ in range(3)]
    found = blocks(
        text,
        headings=headings,
        tables=tables,
        marks=[tuple(cut()) for _ in range(3)],
        passage=tuple(cut()),
        findings=[[*cut(), "hidden", "tiny"] for _ in range(2)],
    )
    assert letters("".join(shown(block) for block in found)) == letters(text)


def test_a_blank_page_shows_nothing():
    assert blocks(" \n ") == []


def test_a_large_sheet_is_drawn_quickly():
    text = "\n".join(" | ".join(["12.5"] * 20) for _ in range(300))
    marks = [(at, at + 4) for at in range(0, 350, 7)]
    assert len(blocks(text, tables=[table(text, 0, 300)], marks=marks, passage=(0, 900))[0].rows) == 300


# As it stands in the page ---------------------------------------------------------------------------------------------
@pytest.fixture
def look(client, alice):
    """The page of a document of hers, by its text and what is known of it."""

    def of(query: str = "", text: str = TEXT, **facts) -> str:
        known = {name: facts.pop(name) for name in ("kind", "trusted_at", "superseded_at") if name in facts}
        document = row(alice, **known)
        page(document, text, **facts)
        client.force_login(alice)
        return client.get(f"/library/{document.pk}/pages/1/?part=1&{query}").content.decode()

    return of


def drawn(html: str) -> str:
    """The text of the page alone, as a reader gets it."""
    inner = html.split('<i class="passage-line"></i>')[1].split('<div class="neighbours">')[0]
    return unescape(re.sub(r"<[^>]+>", "", re.sub(r"<(\w+) [^>]*aria-hidden.*?</\1>", "", inner, flags=re.DOTALL)))


def test_the_page_shows_every_letter_of_its_text(look):
    html = look(headings=[[0, 1, "Rents"]], tables=[table(numbers=[1, 2, 3])])
    assert letters(drawn(html)) == letters(TEXT)


def test_a_table_is_a_real_one(look):
    html = look(tables=[table(name="Amounts")])
    assert '<th scope="col">Amount</th>' in html and 'aria-label="Table: Amounts"' in html


def test_a_lit_cell_is_tinted_and_its_words_are_marked(look):
    start, end = span("40")
    html = look(f"mark={start}-{end}", tables=[table()])
    assert '<td class="cell--lit"><mark class="lit" data-mark="0">40</mark></td>' in html


def test_a_heading_is_one_for_a_screen_reader(look):
    assert '<p class="heading" role="heading" aria-level="2">Rents</p>' in look(headings=[[0, 1, "Rents"]])


def test_words_are_escaped(look):
    html = look(text="a <img src=x> b")
    assert "&lt;img src=x&gt;" in html and "<img src=x>" not in html


def test_what_is_kept_out_of_answers_is_outlined_and_says_why(look):
    start, end = span("rent is due")
    html = look(findings=[[start, end, "hidden", "white on white"]])
    assert 'title="Kept out of answers: not visible to a reader: white on white">rent is due</span>' in html


def test_what_answers_may_use_again_is_not_outlined(look):
    from django.utils import timezone

    html = look(findings=[[0, 3, "instruction", ""]], trusted_at=timezone.now())
    assert "Kept out of answers" not in html


def test_a_replaced_version_says_so(look):
    from django.utils import timezone

    assert "A newer version has replaced this one." in look(superseded_at=timezone.now())


def test_a_page_whose_picture_cannot_be_drawn_shows_its_words(look):
    assert letters(drawn(look(kind="pdf"))) == letters(TEXT)


def test_a_stranger_sees_no_page(client, charlie, alice):
    document = row(alice, state=State.READY)
    page(document, TEXT)
    client.force_login(charlie)
    assert client.get(f"/library/{document.pk}/pages/1/").status_code == 404


def test_findings_are_drawn_over_the_picture_with_their_reason():
    from types import SimpleNamespace

    from documents.rendering import Rect

    document = SimpleNamespace(display_title="Handbook", get_absolute_url="/documents/1", superseded_at=None)
    outlined = [SimpleNamespace(why="white on white", rects=[Rect(1.5, 2, 3, 4)])]
    facts = {"document": document, "page": SimpleNamespace(number=2, label=""), "image_url": "/i", "outlined": outlined}
    html = render_to_string("documents/_page.html", facts)
    assert '<title>Kept out of answers: white on white</title><rect x="1.5" y="2" width="3" height="4" rx="1"/>' in html
