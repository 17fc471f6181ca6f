import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from documents.chunking import Span, TableSpan, split, table_spans
from project.tokens import count_tokens

PROSE = "Rent is due on the first day of May. The landlord may ask for a deposit of two months. "


def letters(text: str) -> int:
    return len(text)


def words(text: str) -> int:
    return len(text.split())


def texts_of(text: str, spans: list[Span]) -> list[str]:
    return [text[span.start : span.end] for span in spans]


def cut(text: str, headings=(), tokens: int = 40, overlap: float = 0.1, count=count_tokens) -> list[str]:
    return texts_of(text, split(text, headings, tokens=tokens, overlap=overlap, count=count))


ALPHABET = st.one_of(
    st.sampled_from(list('ab cde. \n\r\t|-•A1。中文字กข\u0301\u200d\ufffe\x00!?)"') + ["\n\n", "\r\n", ". A", "e.g. "]),
    st.characters(exclude_categories=["Cs"]),
)
TEXT = st.lists(ALPHABET, max_size=400).map("".join)
HEADINGS = st.lists(st.tuples(st.integers(0, 450), st.integers(1, 4), st.text("abA1 ", max_size=6)), max_size=6)
CELLS = st.lists(st.tuples(st.integers(0, 450), st.integers(0, 12)).map(lambda cell: [cell[0], cell[0] + cell[1]]))
TABLES = st.lists(
    st.fixed_dictionaries({"rows": st.lists(CELLS, max_size=8), "header_rows": st.integers(0, 3)}), max_size=3
).map(table_spans)
COUNTS = st.sampled_from([count_tokens, letters, words])


@settings(max_examples=300, deadline=None)
@given(TEXT, HEADINGS, TABLES, st.integers(1, 60), st.floats(0, 0.9), COUNTS)
def test_every_letter_is_in_a_chunk_that_keeps_the_limit(text, headings, tables, tokens, overlap, count):
    spans = split(text, headings, tokens=tokens, overlap=overlap, count=count, tables=tables)
    covered = 0
    for span in spans:
        piece = text[span.start : span.end]
        assert piece.strip() == piece and piece
        assert count(piece) + count(text[span.header_start : span.header_end]) <= tokens or is_one_letter(piece)
        assert span.header_start <= span.header_end <= span.start
        assert not text[covered : span.start].strip()
        covered = span.end
    assert not text[covered:].strip()
    assert all(a.start < b.start and a.end < b.end for a, b in pairwise(spans))


CELL = st.lists(st.sampled_from(["rent", "is due", "12.50", "May.", "中文字", "x" * 30, ""]), max_size=8).map(" ".join)
GRID = st.integers(1, 4).flatmap(lambda width: st.lists(st.lists(CELL, min_size=width, max_size=width), max_size=30))


@settings(max_examples=150, deadline=None)
@given(
    GRID, st.integers(0, 2), st.sampled_from(["", f"{PROSE}\n", f"{PROSE}\n\nTable 1\n"]), st.integers(20, 120), COUNTS
)
def test_a_chunk_never_begins_inside_a_row_that_has_room(rows, header_rows, before, tokens, count):
    text = page_of(rows, before, PROSE)
    tables = table_spans([grid(rows, before) | {"header_rows": header_rows}])
    found = split(text, [], tokens=tokens, overlap=0.2, count=count, tables=tables)
    for start, end in lines_of(rows, before):
        if count(text[start:end]) < tokens // 2 - 1:
            assert not [span for span in found if start < span.start < end], (text, found)


def page_of(rows: list[list[str]], before: str, after: str) -> str:
    return before + "".join(" | ".join(row) + "\n" for row in rows) + after


def lines_of(rows: list[list[str]], before: str) -> list[tuple[int, int]]:
    """Where each row lies, without the bars that close it."""
    found, at = [], len(before)
    for row in rows:
        line = " | ".join(row)
        found.append((at + len(line) - len(line.lstrip()), at + len(line.rstrip(" |"))))
        at += len(line) + 1
    return found


def grid(rows: list[list[str]], before: str = "") -> dict:
    """A table as a page keeps it, one line a row and bars between the cells, behind the words before it."""
    found, at = [], len(before)
    for row in rows:
        cells = []
        for cell in row:
            cells.append([at, at + len(cell)])
            at += len(cell) + 3
        found.append(cells)
        at -= 2
    return {"rows": found, "header_rows": 1}


def is_one_letter(piece: str) -> bool:
    return len(cut(piece, tokens=1, overlap=0, count=lambda text: 1 + len(text) if len(text) > 1 else 1)) == 1


@pytest.mark.parametrize("text", ["", " ", "\n\r\n\t\u3000"])
def test_a_blank_text_has_no_chunk(text):
    assert cut(text) == []


def test_a_short_text_is_one_chunk_without_its_blanks():
    assert cut("  Rent is due.\n\n") == ["Rent is due."]


def test_a_chunk_ends_with_its_sentence():
    assert all(piece.endswith(".") for piece in cut(PROSE * 20))


def test_an_abbreviation_does_not_end_a_sentence():
    text = "See the note by Dr. Miller on p. 5 about rent. Nothing else was said about it."
    assert cut(text, tokens=16, overlap=0) == [
        "See the note by Dr. Miller on p. 5 about rent.",
        "Nothing else was said about it.",
    ]


def test_a_chunk_begins_with_the_last_words_of_the_one_before():
    text = " ".join(f"Sentence number {number} stands here." for number in range(200))
    spans = split(text, [], tokens=100, overlap=0.1, count=count_tokens)
    shared = [a.end - b.start for a, b in pairwise(spans)]
    assert min(shared) > 20


def test_without_overlap_nothing_is_said_twice():
    spans = split(PROSE * 30, [], tokens=100, overlap=0, count=count_tokens)
    assert all(a.end <= b.start for a, b in pairwise(spans))


def test_a_heading_begins_a_chunk():
    text = f"{PROSE}\nDeposits\n{PROSE}"
    assert cut(text, [(text.index("Deposits"), 1, "Deposits")], tokens=60)[1].startswith("Deposits\nRent")


def test_a_tiny_text_stays_with_the_heading_that_follows():
    text = f"Draft\nDeposits\n{PROSE}"
    assert cut(text, [(6, 1, "Deposits")], tokens=60) == [text.strip()]


def test_a_heading_is_never_the_last_thing_in_a_chunk():
    text = f"{PROSE}{PROSE}\nDeposits\n{PROSE * 3}"
    pieces = cut(text, [(text.index("Deposits"), 1, "Deposits")], tokens=44, overlap=0)
    assert not any(piece.endswith("Deposits") for piece in pieces)


def test_the_section_is_the_headings_in_force_at_the_start():
    text = f"Rent\n{PROSE}\nDeposits\n{PROSE}\nHeating\n{PROSE}"
    headings = [(0, 1, "Rent"), (text.index("Deposits"), 2, "Deposits"), (text.index("Heating"), 1, "Heating")]
    spans = split(text, headings, tokens=30, overlap=0, count=count_tokens)
    assert [span.section for span in spans] == ["Rent", "Rent > Deposits", "Heating"]


def test_a_heading_from_an_earlier_page_names_the_section_but_does_not_cut():
    assert split(PROSE, [(0, 1, "Leases")], tokens=60, overlap=0, count=count_tokens) == [
        Span(0, len(PROSE) - 1, "Leases")
    ]


def test_a_paragraph_is_a_better_end_than_a_sentence():
    text = f"{PROSE}\n\n{PROSE}{PROSE}"
    assert cut(text, tokens=32, overlap=0)[0] == PROSE.strip()


def test_table_rows_are_not_cut_apart():
    rows = [f"{number}\tRent for month {number}\t{number * 100} GBP" for number in range(60)]
    assert all(line in rows for piece in cut("\n".join(rows)) for line in piece.split("\n"))


def test_list_items_are_not_cut_apart():
    items = [f"• item {number} of a list without any full stop" for number in range(40)]
    assert all(line in items for piece in cut("\n".join(items)) for line in piece.split("\n"))


FLATS = [["Flat", "Rent", "Remark"]] + [[f"{n} a", f"{n * 100} GBP", "paid on the first"] for n in range(1, 41)]
FEW = FLATS[:4]


def chunks_of(rows: list[list[str]], before: str = "", after: str = "", headings=(), **given) -> tuple[str, list[Span]]:
    text = page_of(rows, before, after)
    options = {"tokens": 80, "overlap": 0.2, "count": count_tokens} | given
    return text, split(text, headings, tables=table_spans([grid(rows, before)]), **options)


def test_a_later_part_of_a_table_names_its_header():
    text, spans = chunks_of(FLATS)
    assert {text[span.header_start : span.header_end] for span in spans[1:]} == {"Flat | Rent | Remark"}


def test_the_first_part_of_a_table_holds_its_header_itself():
    text, spans = chunks_of(FLATS)
    assert text[spans[0].start :].startswith("Flat | Rent | Remark\n1 a") and spans[0].header_end == 0


def test_every_row_is_whole_and_stands_in_one_chunk_alone():
    text, spans = chunks_of(FLATS, PROSE + "\n\n", PROSE)
    pieces = texts_of(text, spans)
    assert [line for piece in pieces for line in piece.split("\n") if " | " in line] == [
        " | ".join(row) for row in FLATS
    ]


def test_a_table_and_its_header_keep_the_limit_together():
    text, spans = chunks_of(FLATS)
    sizes = [count_tokens(text[s.header_start : s.header_end]) + count_tokens(text[s.start : s.end]) for s in spans]
    assert max(sizes) <= 80


def test_a_table_that_fits_is_not_cut_though_little_room_is_left():
    text, spans = chunks_of(FEW, PROSE * 2, PROSE * 2)
    assert sum(page_of(FEW, "", "").strip() in piece for piece in texts_of(text, spans)) == 1


def test_a_small_table_goes_with_the_text_around_it():
    text, spans = chunks_of(FEW, "These are the flats.\n\n", "They are all let.", tokens=120)
    assert texts_of(text, spans) == [text]


def test_a_table_comes_with_its_caption():
    text, spans = chunks_of(FEW, f"{PROSE * 2}\n\nTable 7: What the flats cost\n", tokens=60)
    assert texts_of(text, spans)[-1].startswith("Table 7: What the flats cost\nFlat")


def test_a_table_comes_with_the_heading_above_it():
    before = f"{PROSE * 2}\n\nFlats\n\n"
    text, spans = chunks_of(FEW, before, headings=[(before.index("Flats"), 1, "Flats")], tokens=60)
    assert texts_of(text, spans)[-1].startswith("Flats\n\nFlat |")


def test_a_header_does_not_stand_without_a_row():
    for words_before in range(60):
        text, spans = chunks_of(FLATS, "word " * words_before + "\n\n")
        assert not any(piece.endswith("Remark") for piece in texts_of(text, spans))


def test_a_row_longer_than_a_chunk_is_cut_and_every_part_names_the_header():
    rows = [["Flat", "Remark"], ["1", PROSE * 20], ["2", "None"]]
    text, spans = chunks_of(rows)
    assert len(spans) > 4
    assert all(text[span.header_start : span.header_end] == "Flat | Remark" for span in spans[1:])


def test_a_long_cell_is_cut_at_its_sentences():
    text, spans = chunks_of([["Flat", "Remark"], ["1", PROSE * 20]])
    assert all(piece.endswith(".") for piece in texts_of(text, spans)[1:])


def test_a_header_that_would_leave_no_room_is_not_repeated():
    rows = [["Flat", "What was agreed with whoever lives in it " * 6], *([str(n), "None"] for n in range(80))]
    assert not any(span.header_end for span in chunks_of(rows)[1])


def test_a_table_without_a_header_names_none():
    text = page_of(FLATS, "", "")
    spans = split(
        text, [], tokens=80, overlap=0, count=count_tokens, tables=table_spans([grid(FLATS) | {"header_rows": 0}])
    )
    assert len(spans) > 3 and not any(span.header_end for span in spans)


def test_text_behind_a_long_table_does_not_repeat_its_rows():
    text, spans = chunks_of(FLATS, "", "\n" + PROSE * 6)
    later = [span for span in spans if span.start > text.index(PROSE)]
    assert later and not any(" | " in text[span.start : span.end] for span in later)


def test_a_row_whose_first_cell_is_empty_begins_with_its_bar():
    rows = [["", "May", "June"], *([f"Flat {n}" if n % 2 else "", "100 GBP", "200 GBP"] for n in range(40))]
    text, spans = chunks_of(rows)
    assert all(piece.startswith(("Flat", "|")) for piece in texts_of(text, spans))
    assert {text[span.header_start : span.header_end] for span in spans[1:]} == {"| May | June"}


def test_markdown_bars_belong_to_their_row():
    lines = ["| Flat | Rent |", "|---|---|", *(f"| {n} a | {n} GBP |" for n in range(100, 150))]
    text, at, rows = "\n".join(lines), 0, []
    for line in lines:
        if "---" not in line:
            middle = line.index("|", 2)
            rows.append([[at + 2, at + middle - 1], [at + middle + 2, at + len(line) - 2]])
        at += len(line) + 1
    tables = table_spans([{"rows": rows, "header_rows": 1}])
    spans = split(text, [], tokens=80, overlap=0, count=count_tokens, tables=tables)
    assert all(line in lines for piece in texts_of(text, spans) for line in piece.split("\n"))
    assert {text[span.header_start : span.header_end] for span in spans[1:]} == {"| Flat | Rent |"}


def test_rows_read_column_by_column_count_as_one():
    tables = table_spans([{"rows": [[[0, 4], [20, 24]], [[5, 9], [25, 29]], [[30, 33], [34, 38]]], "header_rows": 1}])
    assert tables == [TableSpan(start=0, end=38, header_end=0, row_starts=[0, 30])]


def test_a_table_that_has_no_letters_is_none():
    assert table_spans([{"rows": [[[3, 3], [6, 6]], []], "header_rows": 1}]) == []


def test_chinese_is_cut_after_its_sentences():
    text = "租金在五月到期。房东可以要求押金。" * 20
    assert all(piece.endswith("。") for piece in cut(text))


def test_a_word_of_ten_thousand_letters_is_cut_somewhere():
    text = "abcdefghij" * 1000
    pieces = cut(text, tokens=100, overlap=0)
    assert "".join(pieces) == text


def test_a_letter_keeps_its_marks():
    assert all(piece[0] == "e" for piece in cut("e\u0301" * 500, tokens=10, count=letters))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(PROSE * 23_000, id="prose"),
        pytest.param("word " * 400_000, id="words"),
        pytest.param("x" * 2_000_000, id="letters"),
        pytest.param("1\t2\t3\n" * 300_000, id="table"),
        pytest.param("a" + " " * 2_000_000 + "b", id="blanks"),
        pytest.param("中" * 700_000, id="chinese"),
    ],
)
def test_two_megabytes_take_seconds(text):
    begun = time.process_time()
    split(text, [], tokens=400, overlap=0.1, count=count_tokens)
    assert time.process_time() - begun < 10


def test_a_table_of_two_megabytes_takes_seconds():
    rows = [["number", "word"], *([str(n), "words in it"] for n in range(110_000))]
    text, tables = page_of(rows, "", ""), table_spans([grid(rows)])
    begun = time.process_time()
    split(text, [], tokens=400, overlap=0.1, count=count_tokens, tables=tables)
    assert time.process_time() - begun < 10
