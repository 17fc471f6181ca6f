"""The PDF reader: the order of the text, its tables, what is hidden in it, and pages a file does not count."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pypdfium2
import pytest

from documents.extraction import pdf as reader
from documents.extraction.pages import ExtractedDocument, ExtractedPage, Order
from tests import pdfs

FILES = Path(__file__).resolve().parent.parent.parent / "shared" / "eval" / "files"
real_files = pytest.mark.skipif(not FILES.is_dir(), reason="the real files are not here")

LEFT = "the left column goes on|with its second line of|words and a third line|that never seems to end|until it stops"
RIGHT = (
    "And the right column is|elsewhere entirely with|another story to be told|in its own few words as|one would like it"
)
NAMES = "Ada Lovelace|Charles Babbage|Grace Hopper|Alan Turing|Mary Somerville"
TOWNS = "London|Cambridge|New York|Manchester|Edinburgh"
PIXEL = b"/Type/XObject/Subtype/Image/Width 1/Height 1/ColorSpace/DeviceGray/BitsPerComponent 8"
WHITE, BLACK = b"1 1 1 rg ", b"0 0 0 rg "


def read(folder: Path, data: bytes) -> tuple[ExtractedDocument, list[ExtractedPage]]:
    path = folder / "file.pdf"
    path.write_bytes(data)
    document, *pages = reader.read(Order(path, 100))
    return document, pages


def read_page(folder: Path, content: bytes, **more) -> ExtractedPage:
    [page] = read(folder, pdfs.pdf(content, **more))[1]
    return page


def line(letters: str, y: float = 500, x: float = 50, size: float = 10) -> bytes:
    return pdfs.text([(x, y, size, letters.encode())])


def side_by_side(left: str, right: str, drop: float = 0) -> bytes:
    """Two columns, written line by line across both; the right one lower by `drop`."""
    rows = zip(left.split("|"), right.split("|"), strict=True)
    return b"".join(line(one, 500 - 14 * n) + line(two, 500 - 14 * n - drop, 220) for n, (one, two) in enumerate(rows))


def box(left: float, bottom: float, width: float, height: float, paint: bytes = b"S") -> bytes:
    return b"%f %f %f %f re %s\n" % (left, bottom, width, height, paint)


def grid(xs: Sequence[float], ys: Sequence[float]) -> bytes:
    """Rulings from end to end."""
    down = b"".join(b"%f %f m %f %f l S\n" % (x, ys[0], x, ys[-1]) for x in xs)
    return down + b"".join(b"%f %f m %f %f l S\n" % (xs[0], y, xs[-1], y) for y in ys)


def cells(page: ExtractedPage) -> list[list[list[str]]]:
    return [[[page.text[start:end] for start, end in row] for row in table.rows] for table in page.tables]


def unseen(page: ExtractedPage) -> list[tuple[str, str]]:
    return [(page.text[start:end], reason) for start, end, reason in page.hidden]


def indices(page: ExtractedPage) -> list[int]:
    """PDFium's index of every character."""
    found = [index + i * step for _, index, length, step in page.runs for i in range(length)]
    return found or list(range(len(page.text)))


# Order -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("drop", [0, 4])
def test_mixed_columns_are_read_one_after_the_other(tmp_path, drop):
    page = read_page(tmp_path, side_by_side(LEFT, RIGHT, drop))
    assert " ".join(page.text.split()) == f"{LEFT}|{RIGHT}".replace("|", " ")


def test_a_headline_over_mixed_columns_stays_above_them(tmp_path):
    page = read_page(
        tmp_path, line("A headline that goes across both of the columns below", 550) + side_by_side(LEFT, RIGHT)
    )
    assert page.text.startswith("A headline that goes across both of the columns below\r\nthe left")


def test_columns_in_order_need_no_runs(tmp_path):
    columns = [
        b"".join(line(words, 500 - 14 * n, x) for n, words in enumerate(c.split("|")))
        for x, c in ((50, LEFT), (220, RIGHT))
    ]
    page = read_page(tmp_path, b"".join(columns))
    assert (page.runs, page.text.replace("\r\n", "|")) == ([], f"{LEFT}|{RIGHT}")


def test_two_lists_side_by_side_are_no_columns(tmp_path):
    page = read_page(tmp_path, side_by_side(NAMES, TOWNS))
    assert page.runs == []
    assert "Grace Hopper New York" in page.text


def test_runs_lead_every_character_back_to_pdfiums(tmp_path):
    page = read_page(tmp_path, side_by_side(LEFT, RIGHT))
    with pypdfium2.PdfDocument(tmp_path / "file.pdf") as pdf:
        whole = pdf[0].get_textpage().get_text_range()
    found = indices(page)
    assert sorted(found) == list(range(len(whole)))
    assert all(page.text[offset] == whole[index] for offset, index in enumerate(found) if page.text[offset].strip())


def with_letters(content: bytes, letters: str) -> bytes:
    """A PDF in whose font A, B, C … are these letters."""
    pairs = b" ".join(
        b"<%02X> <%s>" % (65 + n, letter.encode("utf-16-be", "surrogatepass").hex().encode())
        for n, letter in enumerate(letters)
    )
    codes = b"1 begincodespacerange <00> <FF> endcodespacerange %d beginbfchar %s endbfchar" % (len(letters), pairs)
    mapping = pdfs.stream(
        b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap " + codes + b" endcmap end end"
    )
    return pdfs.pdf(content, font=b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/ToUnicode 4 0 R>>", more=[mapping])


@pytest.mark.parametrize(
    ("seen", "read_as"),
    [
        ("FED CBA", "אבג דהו"),
        ("FED 12,5% CBA", "אבג 12,5% דהו"),
        (".FED (CBA)", "(אבג) דהו."),
        ("see FED CBA now", "see אבג דהו now"),
    ],
)
def test_text_from_right_to_left_is_read_in_its_order(tmp_path, seen, read_as):
    [page] = read(tmp_path, with_letters(line(seen), "אבגדהו"))[1]
    assert page.text == read_as


def test_letters_drawn_one_by_one_from_the_left_are_read_from_the_right(tmp_path):
    """As some programs write joined letters: the last one first, in an object of its own."""
    drawn = b"".join(line(letter, x=50 + 7 * n) for n, letter in enumerate("CBA"))
    [page] = read(tmp_path, with_letters(drawn, "אבג"))[1]
    assert page.text == "אבג"


# Tables ------------------------------------------------------------------------------------------------------------

XS, YS = (40, 140, 240), (440, 460, 480, 500)


def filled(rows: Sequence[Sequence[str]]) -> list[list[bytes]]:
    return [[line(words, 486 - 20 * n, 45 + 100 * m) for m, words in enumerate(row)] for n, row in enumerate(rows)]


RENT = [["Flat", "Rent"], ["First", "900"], ["Second", "1,200"]]


def test_a_ruled_table_has_its_cells(tmp_path):
    page = read_page(tmp_path, grid(XS, YS) + b"".join(cell for row in filled(RENT) for cell in row))
    assert cells(page) == [RENT]
    assert page.tables[0].header_rows == 1


def test_a_table_written_column_by_column_is_read_row_by_row(tmp_path):
    columns = zip(*filled(RENT), strict=True)
    page = read_page(
        tmp_path, line("Before", 550) + grid(XS, YS) + b"".join(map(b"".join, columns)) + line("After", 400)
    )
    assert cells(page) == [RENT]
    assert page.text.split() == "Before Flat Rent First 900 Second 1,200 After".split()
    assert [row.split() for row in page.text.splitlines()][1:3] == [["Flat", "Rent"], ["First", "900"]]


def test_boxes_round_cells_are_a_table(tmp_path):
    boxes = b"".join(box(x, y, 100, 20) for x in XS[:-1] for y in YS[:-1])
    assert cells(read_page(tmp_path, boxes + b"".join(map(b"".join, filled(RENT))))) == [RENT]


def test_a_cell_of_several_lines_is_one_line_of_the_text(tmp_path):
    rows = filled([["Flat", "Rent"], ["First", "900"]])
    content = b"".join(map(b"".join, rows)) + line("floor", 456, 45)
    page = read_page(tmp_path, grid(XS, (440, 480, 500)) + content)
    assert [[" ".join(cell.split()) for cell in row] for row in cells(page)[0]] == [
        ["Flat", "Rent"],
        ["First floor", "900"],
    ]
    assert len(page.text.splitlines()) == 2


def test_an_empty_cell_is_an_empty_span(tmp_path):
    rows = [["Flat", "Rent"], ["", "900"], ["Second", ""]]
    assert cells(read_page(tmp_path, grid(XS, YS) + b"".join(map(b"".join, filled(rows))))) == [rows]


def test_a_cell_over_two_rows_stands_in_the_first(tmp_path):
    part = b"140 460 m 240 460 l S\n"
    content = (
        grid(XS, (440, 480, 500))
        + part
        + b"".join(map(b"".join, filled([["Flat", "Rent"], ["First", "900"], ["", "950"]])))
    )
    assert cells(read_page(tmp_path, content)) == [[["Flat", "Rent"], ["First", "900"], ["", "950"]]]


def test_a_shaded_first_row_is_the_header_even_with_numbers(tmp_path):
    shade = b"0.8 0.9 1 rg " + box(40, 480, 200, 20, b"f") + BLACK
    page = read_page(tmp_path, shade + grid(XS, YS) + b"".join(map(b"".join, filled([["Year", "2024"], *RENT[1:]]))))
    assert page.tables[0].header_rows == 1


def test_a_first_row_of_figures_is_no_header(tmp_path):
    page = read_page(tmp_path, grid(XS, YS) + b"".join(map(b"".join, filled([["First", "900"], *RENT[1:]]))))
    assert page.tables[0].header_rows == 0


@pytest.mark.parametrize(
    "drawing",
    [
        box(40, 400, 300, 150),  # a frame
        box(40, 400, 150, 150) + box(190, 400, 150, 150),  # two frames
        grid((40, 340), (400, 450, 500, 550)),  # lines of a form, one column
        grid((90, 140, 190), (440, 492, 550)),  # lines through words
    ],
)
def test_lines_that_are_no_grid_of_cells_are_no_table(tmp_path, drawing):
    page = read_page(
        tmp_path, drawing + line("Some words that stand in a frame", 490) + line("and some more of them", 470)
    )
    assert page.tables == []


# Hidden ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (WHITE + line("secret", 400), "white on white"),
        (WHITE + line("secret", 400, 110), "white on white"),
        (line("secret", 400, size=0.5), "smaller than 1 point"),
        (b"q 0.05 0 0 0.05 0 0 cm " + line("secret", 8000, 1000) + b"Q ", "smaller than 1 point"),
        (line("secret", 400, -200), "outside the page"),
        (b"3 Tr " + line("secret", 400), "invisible"),
        (b"0 0 1 rg " + box(40, 390, 100, 40, b"f") + line("secret", 400), "the colour of its background"),
        (line("secret", 400) + box(40, 390, 100, 40, b"f"), "covered"),
    ],
)
def test_what_no_reader_sees_is_said_to_be_hidden(tmp_path, content, reason):
    page = read_page(tmp_path, line("seen") + content)
    assert unseen(page) == [("secret", reason)]


def test_a_hidden_word_in_a_line_is_found(tmp_path):
    words = [line("seen"), WHITE, line("secret", x=80), BLACK, line("seen", x=120)]
    assert unseen(read_page(tmp_path, b"".join(words))) == [("secret", "white on white")]


@pytest.mark.parametrize(
    "content",
    [
        box(40, 390, 200, 40, b"f") + WHITE + line("seen", 400),
        box(40, 390, 200, 40, b"f") + b"/I1 Do " + WHITE + line("seen", 400),
        b"0.9 0.9 0.9 rg " + box(40, 390, 200, 40, b"f") + BLACK + line("seen", 400),
        line("...", 400),
        line("seen", 400) + b"q 200 0 0 1 40 395 cm /I1 Do Q",
        b"BT /F1 1 Tf 12 0 0 12 50 400 Tm (seen) Tj ET",
    ],
)
def test_what_a_reader_sees_is_not_hidden(tmp_path, content):
    image = pdfs.stream(b"\x00", PIXEL)
    assert read_page(tmp_path, BLACK + content, more=[image]).hidden == []


def test_white_words_on_a_dark_picture_are_seen(tmp_path):
    picture = b"q 300 0 0 100 40 380 cm /I1 Do Q "
    assert read_page(tmp_path, picture + WHITE + line("seen", 400), more=[pdfs.stream(b"\x00", PIXEL)]).hidden == []


def test_white_words_on_a_white_picture_are_hidden(tmp_path):
    picture = b"q 300 0 0 100 40 380 cm /I1 Do Q "
    page = read_page(tmp_path, picture + WHITE + line("secret", 400), more=[pdfs.stream(b"\xff", PIXEL)])
    assert unseen(page) == [("secret", "the colour of its background")]


def test_the_text_layer_of_a_scan_is_not_hidden(tmp_path):
    scan = b"q 400 0 0 600 0 0 cm /I1 Do Q 3 Tr " + line("recognised by somebody else")
    page = read_page(tmp_path, scan, more=[pdfs.stream(b"\xff", PIXEL)])
    assert (page.hidden, page.warning, page.images) == ([], "", 0)


def test_words_in_a_form_are_looked_at_too(tmp_path):
    form = pdfs.stream(
        WHITE + line("secret", 400), b"/Type/XObject/Subtype/Form/BBox[0 0 400 600]/Resources<</Font<</F1 3 0 R>>>>"
    )
    assert unseen(read_page(tmp_path, line("seen") + b"q /I1 Do Q", more=[form])) == [("secret", "white on white")]


# The rest ----------------------------------------------------------------------------------------------------------


def test_pictures_are_counted_and_ornaments_are_not(tmp_path):
    content = b"q 100 0 0 80 50 400 cm /I1 Do Q q 5 0 0 5 50 300 cm /I1 Do Q " + line("words")
    assert read_page(tmp_path, content, more=[pdfs.stream(b"\x00", PIXEL)]).images == 1


def test_replaced_characters_are_counted(tmp_path):
    [page] = read(tmp_path, with_letters(line("ABAB"), "x\ud83d"))[1]
    assert (page.cleaned, page.text) == (2, "x\ufffdx\ufffd")


def test_pages_a_file_does_not_count_are_read_all_the_same(tmp_path):
    document, pages = read(tmp_path, pdfs.pdf(*[line(f"page {n}") for n in range(4)], count=2))
    assert ["".join(page.text.split()) for page in pages] == ["page0", "page1", "page2", "page3"]
    assert document.warnings == [
        "The file says that it has 2 pages and has 4; those behind were read without their layout."
    ]


def test_reading_goes_on_behind_the_pages_that_are_stored(tmp_path):
    path = tmp_path / "file.pdf"
    path.write_bytes(pdfs.pdf(*[line(f"page {n}") for n in range(4)]))
    _, *pages = reader.read(Order(path, 100, skip=3))
    assert [page.text for page in pages] == ["page 3"]


@real_files
def test_a_public_plan_has_its_tables_and_its_unseen_numbers():
    _, *pages = reader.read(Order(FILES / "agency/DOC2022.pdf", 100))
    page = pages[30]
    assert len(page.tables) == 6
    header, first, second = [[" ".join(cell.split()) for cell in row] for row in cells(page)[0]]
    assert header == ["Description", "Type", "Status", "Start Date", "End Date", "Number"]
    assert (first[0][:30], *first[1:]) == ("Number of jobs created and ret", "Target", "Unspecified", "", "", "")
    assert second == ["", "Actual", "", "", "", ""]
    seen = list(page.text)
    for start, end, _ in page.hidden:
        seen[start:end] = " " * (end - start)
    assert not re.search(r"_[0-9a-f]{8}-|PLACEHOLDER", "".join(seen))


@real_files
@pytest.mark.parametrize("name", ["agency/NARA2022.pdf", "agency/EPA2022.pdf", "ntsb/20071229X02007.pdf"])
def test_no_letter_of_a_real_file_is_lost(name):
    _, *pages = reader.read(Order(FILES / name, 200))
    with pypdfium2.PdfDocument(FILES / name) as pdf:
        for page, own in zip(pages, pdf, strict=True):
            textpage = own.get_textpage()
            whole, _ = reader.page_text(textpage)
            assert sorted(page.text.split()) == sorted(whole.split())
            assert sorted(indices(page)) == list(range(textpage.count_chars()))
