"""From office files, mails and tables to pages: what is read, where tables stand, and what no file can do to us."""

from __future__ import annotations

import io
import time
import zipfile
from contextlib import suppress
from email.message import EmailMessage
from pathlib import Path

import docx
import odfdo
import openpyxl
import pptx
import pytest
from docx.oxml.parser import parse_xml
from docx.shared import Pt, RGBColor
from hypothesis import given, settings
from hypothesis import strategies as st
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from documents.extraction import (
    ExtractedDocument,
    ExtractedFile,
    ExtractedPage,
    ExtractionError,
    Order,
    extract,
    kind_of,
)
from documents.extraction.csv import sniffed
from documents.extraction.docx import docx_draft
from documents.extraction.drafts import TABLE_MOST, Writer, in_pages, one_page, split, unseen
from documents.extraction.encoding import guess
from documents.extraction.headers import header_rows
from documents.extraction.html import html_draft
from documents.extraction.markdown import markdown_draft
from documents.extraction.number_formats import shown
from documents.extraction.pages import Table
from documents.extraction.rtf import rtf_draft
from documents.extraction.text import decode

GIB = 2**30
W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def saved(tmp_path: Path, data: bytes, name: str = "file") -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


def found(path: Path, folder: Path | None = None, pages_max: int = 1_000, skip: int = 0) -> list:
    order = Order(path, pages_max, folder=folder, skip=skip)
    return list(extract(order, kind_of(path, path.name), memory_bytes=GIB, seconds=20))


def read(path: Path, **options) -> tuple[ExtractedDocument, list[ExtractedPage]]:
    items = found(path, **options)
    return items[-1], [item for item in items if isinstance(item, ExtractedPage)]


def refused(path: Path) -> str:
    with pytest.raises(ExtractionError) as caught:
        read(path)
    return caught.value.code


def cells(page: ExtractedPage, table: Table | None = None) -> list[list[str]]:
    return [[page.text[start:end] for start, end in row] for row in (table or page.tables[0]).rows]


# Tables in drafts --------------------------------------------------------------------------------------------------
def test_the_cells_of_a_table_are_spans_of_its_lines():
    writer = Writer()
    writer.line("Before.")
    writer.table([["Team", "Cups"], ["Blues", "1"]])
    page = one_page(writer.draft())
    assert page.text == "Before.\n\nTeam | Cups\nBlues | 1\n"
    assert cells(page) == [["Team", "Cups"], ["Blues", "1"]]


def test_empty_rows_and_columns_of_a_table_are_left_out():
    writer = Writer()
    writer.table([["a", "", "b"], ["", "", ""], ["", "", "d"]], header_rows=1)
    page = one_page(writer.draft())
    assert (page.text, cells(page)) == ("a | b\n | d\n", [["a", "b"], ["", "d"]])


def test_a_table_with_numbered_rows_keeps_its_empty_columns():
    writer = Writer()
    writer.table([["a", "", "b"]], numbers=[7])
    page = one_page(writer.draft())
    assert (page.text, cells(page), page.tables[0].numbers) == ("a | b\n", [["a", "", "b"]], [7])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1_500), st.integers(0, 900), st.integers(1, 60)), max_size=8))
def test_no_page_ends_inside_a_row(blocks):
    writer = Writer()
    for words, rows, width in blocks:
        writer.line("word " * words)
        writer.table([["x" * width, "y"]] * rows, header_rows=1)
    draft = writer.draft()
    pages = [page for page in in_pages(draft, Order(Path(), 10_000)) if isinstance(page, ExtractedPage)]
    assert "".join(page.text for page in pages) == draft.text
    assert sum(len(table.rows) for page in pages for table in page.tables) == sum(rows for _, rows, _ in blocks)
    assert all(cells(page, table)[-1][1] == "y" for page in pages for table in page.tables)


def test_a_table_stays_on_one_page_unless_it_is_very_long():
    writer = Writer()
    writer.line("word " * 500)
    writer.table([["Team", "Cups"], *[["name", "1"]] * 900])
    draft = writer.draft()
    assert [bool(one_page(draft, *span).tables) for span in split(draft)] == [False, True]


def test_only_the_first_part_of_a_cut_table_has_its_header():
    writer = Writer()
    writer.table([["Team", "Cups"], *[["name" * 10, "1"]] * (TABLE_MOST // 20)])
    draft = writer.draft()
    parts = [one_page(draft, *span).tables[0].header_rows for span in split(draft)]
    assert parts == [1] + [0] * (len(parts) - 1)
    assert len(parts) > 2


def test_what_no_reader_sees_is_marked_where_it_stands():
    writer = Writer()
    writer.line("Pay " + unseen("nothing", "white on white") + " now.")
    page = one_page(writer.draft())
    assert (page.text, page.hidden) == ("Pay nothing now.\n", [(4, 11, "white on white")])


def test_characters_that_are_taken_out_are_counted():
    writer = Writer()
    writer.line("a\x00b\x07c")
    assert one_page(writer.draft()).cleaned == 2


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([["Team", "Cups"], ["Blues", "1"], ["Flyers", "2"]], 1),
        ([["Blues", "1"], ["Flyers", "2"]], 0),
        ([["Name", "City"], ["Anna", "Berlin"]], 1),
        ([["anna@example.org", "Berlin"], ["bo@example.org", "Rome"]], 0),
        ([["Balance sheet", ""], ["", "2023"], ["Cash", "1,200"]], 2),
        ([["Report", "", ""], ["In millions", "", ""], ["", "2023", "2022"], ["Cash", "1,200", "(30)"]], 3),
        ([["", "First half", ""], ["", "2023", "2022"], ["Cash", "$5", "$6"]], 2),
        ([["12 May 2021", "rent"], ["12 June 2021", "heat"]], 0),
        ([["Only row", "here"]], 0),
        ([], 0),
    ],
)
def test_a_header_is_known_by_what_stands_below_it(rows, expected):
    assert header_rows(rows) == expected


# Word --------------------------------------------------------------------------------------------------------------
def word(tmp_path: Path, write) -> Path:
    document = docx.Document()
    write(document)
    document.save(str(tmp_path / "file.docx"))
    return tmp_path / "file.docx"


def filled(table, rows: list[list[str]]) -> None:
    for row, texts in zip(table.rows, rows, strict=True):
        for cell, text in zip(row.cells, texts, strict=True):
            cell.text = text


def test_a_word_table_has_its_caption_and_the_rows_marked_as_header(tmp_path):
    def write(document):
        document.add_paragraph("Table 1: Leave", style="Caption")
        table = document.add_table(3, 2)
        filled(table, [["Leave", ""], ["Team", "Group"], ["Blues", "North"]])
        for row in table.rows[:2]:
            row._tr.get_or_add_trPr().append(parse_xml(f'<w:tblHeader xmlns:w="{W}"/>'))

    [page] = read(word(tmp_path, write))[1]
    assert (page.tables[0].header_rows, page.tables[0].name) == (2, "Table 1: Leave")


def test_a_word_cell_over_several_columns_stands_once(tmp_path):
    def write(document):
        table = document.add_table(2, 3)
        filled(table, [["", "", ""], ["a", "b", "c"]])
        table.cell(0, 1).merge(table.cell(0, 2)).text = "wide"

    [page] = read(word(tmp_path, write))[1]
    assert page.text == " | wide\na | b | c\n"


def test_vanished_text_of_word_is_left_out_and_counted(tmp_path):
    def write(document):
        paragraph = document.add_paragraph("Seen ")
        paragraph.add_run("never").font.hidden = True

    draft = docx_draft(word(tmp_path, write))
    assert (draft.text, dict(draft.left_out)) == ("Seen\n", {"hidden text": 5})


def test_white_and_tiny_words_are_kept_and_marked(tmp_path):
    def write(document):
        paragraph = document.add_paragraph("Seen ")
        paragraph.add_run("white").font.color.rgb = RGBColor(255, 255, 255)
        paragraph.add_run(" and ")
        paragraph.add_run("tiny").font.size = Pt(1)

    draft = docx_draft(word(tmp_path, write))
    assert [(draft.text[start:end], why) for start, end, why in draft.hidden] == [
        ("white", "white on white"),
        ("tiny", "smaller than 1 point"),
    ]


def test_white_words_on_a_dark_cell_are_not_hidden(tmp_path):
    def write(document):
        table = document.add_table(2, 2)
        filled(table, [["", "b"], ["c", "d"]])
        cell = table.cell(0, 0)
        cell.paragraphs[0].add_run("Team").font.color.rgb = RGBColor(255, 255, 255)
        cell._tc.get_or_add_tcPr().append(parse_xml(f'<w:shd xmlns:w="{W}" w:val="clear" w:fill="1F3864"/>'))

    assert docx_draft(word(tmp_path, write)).hidden == []


# HTML and Markdown -------------------------------------------------------------------------------------------------
def test_html_cells_over_rows_and_columns_keep_the_others_in_place():
    source = (
        "<table><caption>Costs<thead><tr><th>Place<th colspan=2>Year<tbody>"
        "<tr><td rowspan=2>North<td>1<td>2<tr><td>3<td>4</table>"
    )
    page = one_page(html_draft(source))
    assert cells(page) == [["Place", "Year", ""], ["North", "1", "2"], ["", "3", "4"]]
    assert (page.tables[0].header_rows, page.tables[0].name) == (1, "Costs")


@pytest.mark.parametrize(
    "style",
    [
        "display:none",
        "font-size:0",
        "font-size: 0px; color: red",
        "position:absolute; left:-9999px",
        "color:#ffffff",
        "color: white; background-color: #fff",
        "opacity:0",
    ],
)
def test_what_html_hides_is_left_out_and_counted(style):
    draft = html_draft(f'<p>seen<p style="{style}">never')
    assert (draft.text, dict(draft.left_out)) == ("seen\n", {"hidden text": 5})


@pytest.mark.parametrize(
    "source",
    [
        '<p style="color:#fff; background:#036">words',
        '<div style="background-color:navy"><p style="color:white">words</div>',
        '<table bgcolor="#000000"><tr><td><font color="white">words</font><td>x</table>',
        '<p style="background-color:white">words',
        '<p style="font-size:10px; opacity:0.9; left:-5px">words',
    ],
)
def test_what_html_shows_is_read(source):
    assert html_draft(source).text.startswith("words")


def test_a_markdown_table_is_found_as_it_was_written():
    source = "# Teams\n\n| Team | Cups |\n|------|-----:|\n| Blues \\| B | 1 |\nFlyers | 2\n\nAfter.\n"
    page = one_page(markdown_draft(source, []))
    assert (page.text, cells(page)) == (source, [["Team", "Cups"], ["Blues \\| B", "1"], ["Flyers", "2"]])


# Sheets ------------------------------------------------------------------------------------------------------------
def workbook(tmp_path: Path, write) -> Path:
    book = openpyxl.Workbook()
    write(book)
    book.save(tmp_path / "file.xlsx")
    return tmp_path / "file.xlsx"


def test_values_of_a_sheet_are_shown_as_people_see_them(tmp_path):
    def write(book):
        sheet = book.active
        sheet.append(["Rate", "Day", "Sum", "Paid", "Whole"])
        sheet.append([0.125, 45016, -1234.5, True, 12345678])
        for cell, code in zip(sheet[2], ["0.0%", "d mmm yyyy", '#,##0.00 "EUR"', "General", "General"], strict=True):
            cell.number_format = code

    [page] = read(workbook(tmp_path, write))[1]
    assert cells(page)[1] == ["12.5%", "31 Mar 2023", "-1,234.50 EUR", "TRUE", "12345678"]


@pytest.mark.parametrize(
    ("value", "code", "expected"),
    [
        (0, '#,##0;(#,##0);"–"', "–"),
        (-5, "#,##0;[Red](#,##0)", "(5)"),
        (1_500_000, '0.0,,"M"', "1.5M"),
        (12345, "0.00E+00", "1.23E+04"),
        (1.25, "[h]:mm", "30:00"),
        (0.5, "h:mm AM/PM", "12:00 PM"),
        (1.5, "# ?/?", "1 1/2"),
        (5, "00000", "00005"),
        (123456789, "000-00-0000", "123-45-6789"),
        (1234.5, "[$€-407]#,##0.00", "€1,234.50"),
        (3, ";;;", ""),
        (0.1 + 0.2, "General", "0.3"),
        (1e300, "d mmm yyyy", "1E+300"),
    ],
)
def test_a_number_follows_its_format(value, code, expected):
    assert shown(value, code) == expected


@given(
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.sampled_from('0#?.,%E+-/;"\\[]hmsyd@_* $A'), max_size=12),
)
def test_no_format_code_breaks_the_reading(value, code):
    with suppress(ValueError, ArithmeticError):  # The reader then shows the value as it is stored.
        assert isinstance(shown(value, code), str)


def test_the_name_of_a_cell_can_be_told(tmp_path):
    def write(book):
        sheet = book.active
        sheet["B3"], sheet["D3"], sheet["B7"], sheet["D7"] = "Team", "Cups", "Blues", 1

    [page] = read(workbook(tmp_path, write))[1]
    places = {
        page.text[start:end]: (number, table.first_column + column)
        for table in page.tables
        for number, row in zip(table.numbers, table.rows, strict=True)
        for column, (start, end) in enumerate(row)
    }
    assert (places["Cups"], places["Blues"]) == ((3, 4), (7, 2))


def test_every_page_of_a_long_sheet_begins_with_its_header(tmp_path):
    def write(book):
        book.active.title = "Staff of the whole organisation"
        book.active.append(["Name", "Days"])
        for number in range(900):
            book.active.append([f"person {number}", number])

    pages = read(workbook(tmp_path, write))[1]
    assert len(pages) > 2
    assert {tuple(cells(page)[0]) for page in pages} == {("Name", "Days")}
    assert {(page.tables[0].header_rows, page.tables[0].numbers[0]) for page in pages} == {(1, 1)}
    assert [page.label for page in pages[:2]] == ["Staff of the whole organisation"] + [
        "Staff of the whole organisation 2"
    ]
    rows = [number for page in pages for number in page.tables[0].numbers[1:]]
    assert rows == list(range(2, 902))


def test_a_header_may_be_parted_from_its_rows_by_an_empty_one(tmp_path):
    def write(book):
        for row in [["Team", "Cups"], [], ["Blues", 1], ["Flyers", 2], [], ["(a) a note"]]:
            book.active.append(row)

    [page] = read(workbook(tmp_path, write))[1]
    assert [(table.header_rows, len(table.rows)) for table in page.tables] == [(1, 3), (0, 1)]


def test_hidden_sheets_rows_and_columns_are_left_out_and_counted(tmp_path):
    def write(book):
        book.active.append(["Team", "Secret"])
        book.active.append(["Blues", 5])
        book.active.append(["Hidden", 6])
        book.active.row_dimensions[3].hidden = True
        book.active.column_dimensions["B"].hidden = True
        book.create_sheet("Hidden").sheet_state = "hidden"

    document, [page] = read(workbook(tmp_path, write))
    assert document.left_out == {"hidden sheets": 1, "hidden rows": 1, "hidden columns": 1}
    assert page.text == "Sheet\n\nTeam\nBlues\n"


def with_sheet(tmp_path: Path, xml: str) -> Path:
    source = workbook(tmp_path, lambda book: book.active.append(["x"]))
    with zipfile.ZipFile(source) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    namespace = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    parts["xl/worksheets/sheet1.xml"] = f'<worksheet xmlns="{namespace}">{xml}</worksheet>'.encode()
    with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return source


def test_a_far_cell_and_a_lying_size_do_no_harm(tmp_path):
    began = time.monotonic()
    document, [page] = read(
        with_sheet(
            tmp_path,
            '<dimension ref="A1:XFD1048576"/><sheetData><row r="1"><c r="A1"><v>1</v></c></row>'
            '<row r="1048576"><c r="B1048576"><v>7</v></c><c r="XFD1048576"><v>5</v></c></row></sheetData>',
        )
    )
    assert "far to the right" in document.warnings[0]
    assert page.text.split() == ["Sheet", "1", "7"]
    assert time.monotonic() - began < 5


def test_a_hundred_thousand_empty_rows_are_nothing(tmp_path):
    rows = "".join(f'<row r="{number}"><c r="A{number}" s="0"/></row>' for number in range(1, 100_000))
    began = time.monotonic()
    assert read(with_sheet(tmp_path, f"<sheetData>{rows}</sheetData>"))[1] == []
    assert time.monotonic() - began < 5


def test_a_formula_shows_its_last_result_and_an_error_its_name(tmp_path):
    [page] = read(
        with_sheet(
            tmp_path,
            '<sheetData><row r="1"><c r="A1"><f>1+1</f><v>2</v></c><c r="B1" t="e"><v>#DIV/0!</v></c>'
            '<c r="C1" t="str"><f>A1</f><v>words</v></c></row></sheetData>',
        )
    )[1]
    assert cells(page) == [["2", "#DIV/0!", "words"]]


# CSV ---------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "delimiter"),
    [("a,b\n1,2\n", ","), ("a;b\n1,5;2,5\n", ";"), ("a\tb\n1\t2\n", "\t"), ("a|b\n1|2\n", "|"), ("alone\n", ",")],
)
def test_the_delimiter_is_found(text, delimiter):
    assert sniffed(text) == delimiter


def test_quoted_line_ends_and_ragged_rows_of_csv_are_read(tmp_path):
    data = 'Name;Note\r\n"Müller; Jo";"two\r\nlines"\r\nshort\r\n1;2;3\r\n'.encode("cp1252")
    document, [page] = read(saved(tmp_path, data, "a.csv"))
    assert cells(page) == [["Name", "Note", ""], ["Müller; Jo", "two lines", ""], ["short", "", ""], ["1", "2", "3"]]
    assert page.tables[0].numbers == [1, 2, 3, 4]


def test_a_quotation_mark_that_is_never_closed_swallows_nothing(tmp_path):
    data = b'Name,Size\npipe,"5\n' + b"tube,6\n" * 50
    document, [page] = read(saved(tmp_path, data, "a.csv"))
    assert len(page.tables[0].rows) == 52
    assert "never closed" in document.warnings[0]


def test_a_page_of_csv_that_is_stored_is_not_read_again(tmp_path):
    data = "Name,Days\n" + "".join(f"person {number},{number}\n" for number in range(900))
    path = saved(tmp_path, data.encode(), "a.csv")
    assert [page.text for page in read(path, skip=1)[1]] == [page.text for page in read(path)[1]][1:]


def test_more_rows_than_pages_are_cut_with_a_warning(tmp_path):
    path = saved(tmp_path, b"Name,Days\n" + b"person,1\n" * 3_000, "a.csv")
    document, pages = read(path, pages_max=2)
    assert (len(pages), document.warnings) == (2, ["The file was cut at 2 pages."])


# Presentations -----------------------------------------------------------------------------------------------------
def deck(tmp_path: Path, write) -> Path:
    slides = pptx.Presentation()
    write(slides)
    slides.save(str(tmp_path / "file.pptx"))
    return tmp_path / "file.pptx"


def test_a_slide_is_read_from_its_title_down_with_its_notes(tmp_path):
    def write(slides):
        slide = slides.slides.add_slide(slides.slide_layouts[5])
        slide.shapes.add_textbox(Inches(1), Inches(5), Inches(3), Inches(1)).text_frame.text = "below"
        slide.shapes.add_textbox(Inches(1), Inches(3), Inches(3), Inches(1)).text_frame.text = "above"
        slide.shapes.title.text_frame.text = "Results"
        slide.notes_slide.notes_text_frame.text = "Speak slowly."

    document, [page] = read(deck(tmp_path, write))
    assert page.text == "Results\n\nabove\n\nbelow\n\nNotes: Speak slowly.\n"
    assert (page.label, page.headings, document.title) == ("1", [(0, 1, "Results")], "Results")


def test_tables_charts_and_groups_of_a_slide_are_read(tmp_path):
    def write(slides):
        slide = slides.slides.add_slide(slides.slide_layouts[6])
        table = slide.shapes.add_table(2, 2, Inches(1), Inches(1), Inches(4), Inches(1)).table
        filled(table, [["Team", "Cups"], ["Blues", "1"]])
        data = CategoryChartData()
        data.categories = ["North", "South"]
        data.add_series("Sales", (1.5, 2))
        slide.shapes.add_chart(XL_CHART_TYPE.PIE, Inches(1), Inches(3), Inches(3), Inches(2), data)
        group = slide.shapes.add_group_shape()
        group.shapes.add_textbox(Inches(1), Inches(6), Inches(3), Inches(1)).text_frame.text = "grouped"

    [page] = read(deck(tmp_path, write))[1]
    assert [cells(page, table) for table in page.tables] == [
        [["Team", "Cups"], ["Blues", "1"]],
        [["", "Sales"], ["North", "1.5"], ["South", "2"]],
    ]
    assert "grouped" in page.text


def test_a_hidden_slide_is_read_and_noted(tmp_path):
    def write(slides):
        slide = slides.slides.add_slide(slides.slide_layouts[5])
        slide.shapes.title.text_frame.text = "Backup"
        slide.element.set("show", "0")

    document, [page] = read(deck(tmp_path, write))
    assert (page.text, document.left_out) == ("Backup\n", {"hidden slides": 1})


def test_words_outside_a_slide_are_marked(tmp_path):
    def write(slides):
        slide = slides.slides.add_slide(slides.slide_layouts[6])
        slide.shapes.add_textbox(Inches(-9), Inches(1), Inches(3), Inches(1)).text_frame.text = "off"

    assert read(deck(tmp_path, write))[1][0].hidden == [(0, 3, "outside the slide")]


# Mail --------------------------------------------------------------------------------------------------------------
def mail(subject: str = "The rent") -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "Älva <a@example.org>", "b@example.org", subject
    message["Date"] = "Fri, 23 Dec 2022 12:08:48 -0600"
    message["MIME-Version"] = "1.0"
    return message


def test_a_mail_is_read_with_its_headers_and_its_files_come_along(tmp_path):
    message = mail("Mietvertrag für München")
    message.set_content("Grüße aus dem Süden", charset="iso-8859-1", cte="quoted-printable")
    message.add_attachment(b"# Rent\n", maintype="text", subtype="markdown", filename="rent – new.md")
    message.add_attachment(b"\x89PNG\r\n" + bytes(12_000), maintype="image", subtype="png", filename="x.png")
    items = found(saved(tmp_path, bytes(message), "m.eml"), folder=tmp_path)
    [file] = [item for item in items if isinstance(item, ExtractedFile)]
    assert (file.name, file.path.read_bytes()) == ("rent – new.md", b"# Rent\n")
    assert (items[0].title, items[0].attachments) == ("Mietvertrag für München", [("x.png", 12_006)])
    [page] = [item for item in items if isinstance(item, ExtractedPage)]
    assert page.text == (
        "Mietvertrag für München\n\nFrom: Älva <a@example.org>\nTo: b@example.org\n"
        "Date: Fri, 23 Dec 2022 12:08:48 -0600\n\nGrüße aus dem Süden\n\n"
        "Attachment: rent – new.md, 7 bytes\n\nAttachment: x.png, 12 kB\n"
    )


def test_of_two_bodies_the_one_that_says_more_is_read(tmp_path):
    message = mail()
    message.set_content("Please view this as HTML.")
    message.add_alternative("<table><tr><th>Flat<th>Rent<tr><td>One<td>500</table>", subtype="html")
    [page] = read(saved(tmp_path, bytes(message), "m.eml"))[1]
    assert cells(page) == [["Flat", "Rent"], ["One", "500"]]
    assert "Please view" not in page.text


def test_a_forwarded_mail_is_read_and_nesting_has_an_end(tmp_path):
    message = mail("mail 9")
    message.set_content("words 9")
    for number in range(8, -1, -1):
        outer = mail(f"mail {number}")
        outer.set_content(f"words {number}")
        outer.add_attachment(message)
        message = outer
    document, [page] = read(saved(tmp_path, bytes(message), "m.eml"))
    assert "words 5" in page.text
    assert "words 6" not in page.text
    assert "5 deep" in document.warnings[0]


def test_an_inline_picture_of_a_mail_is_counted_and_no_document(tmp_path):
    message = mail()
    message.set_content("<p>Hi<img src=cid:logo>", subtype="html")
    message.add_related(b"\x89PNG", "image", "png", cid="<logo>")
    document, [page] = read(saved(tmp_path, bytes(message), "m.eml"), folder=tmp_path)
    assert (page.images >= 1, document.attachments) == (True, [])


def test_a_text_that_quotes_headers_is_no_mail(tmp_path):
    assert kind_of(saved(tmp_path, b"From: the office\nTo: everybody\n\nHello."), "note.txt") == "text"


def test_parts_in_parts_without_end_are_refused(tmp_path):
    nested = b"".join(b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n' % (n, n) for n in range(3_000))
    assert refused(saved(tmp_path, b"From: a\nSubject: b\nMIME-Version: 1.0\n" + nested, "m.eml")) == "damaged"


# Rich text and OpenDocument ----------------------------------------------------------------------------------------
def test_letters_of_rich_text_are_those_of_its_fonts():
    draft = rtf_draft(
        rb"{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0\fcharset0 Arial;}{\f1\fcharset204 Arial;}{\f2\fcharset128 M;}}"
        rb"Gr\'fc\'dfe {\f1\'cf\'f0\'e8} {\f2\'93\'fa} \u8211\'96 \u-10179?\u-8704?\par}"
    )
    assert draft.text == "Grüße При 日 – 😀\n"


def test_headings_tables_notes_and_hidden_words_of_rich_text():
    draft = rtf_draft(
        rb"{\rtf1{\stylesheet{\s1 heading 1;}}{\info{\title The leave rules}}\pard\s1 Leave\par\pard "
        rb"Thirty{\v secret} days.{\footnote As agreed.}\par"
        rb"\trowd\pard\intbl Team\cell Days\cell\row\trowd\pard\intbl Blues\par B\cell 30\cell\row\pard After.\par}"
    )
    assert draft.text == "Leave\n\nThirty days.\n\nNote: As agreed.\n\nTeam | Days\nBlues B | 30\n\nAfter.\n"
    assert (draft.title, draft.headings) == ("The leave rules", [(0, 1, "Leave")])
    assert (draft.tables[0].header_rows, draft.left_out["hidden text"]) == (1, 6)


def test_groups_without_end_are_no_harm_to_rich_text():
    began = time.monotonic()
    assert rtf_draft(b"{\\rtf1 words" + b"{" * 300_000 + b"deep").warnings
    assert time.monotonic() - began < 3


def test_an_open_document_is_read_in_its_order(tmp_path):
    document = odfdo.Document("text")
    document.body.clear()
    document.body.append(odfdo.Header(1, "Leave"))
    paragraph = odfdo.Paragraph("Thirty days.")
    paragraph.insert_note(after="days", note_id="n1", citation="1", body="As agreed.")
    document.body.append(paragraph)
    document.body.append(odfdo.List(["first", "second"]))
    table = odfdo.Table("Days")
    for values in (["Team", "Days"], ["Blues", 30]):
        row = odfdo.Row()
        row.set_values(values)
        table.append(row)
    document.body.append(table)
    document.save(tmp_path / "file.odt")
    [page] = read(tmp_path / "file.odt")[1]
    assert page.text == "Leave\n\nThirty days.\n\nNote: As agreed.\n\n- first\n- second\n\nTeam | Days\nBlues | 30\n"
    assert (page.headings, page.tables[0].header_rows, page.tables[0].name) == ([(0, 1, "Leave")], 1, "Days")


# Encodings ---------------------------------------------------------------------------------------------------------
SENTENCES = {
    "Über die Änderung der Verträge muss rechtzeitig informiert werden; für Überstunden gilt die übliche Vergütung, "
    "längstens bis März, für Anträge später.": "cp1252 mac_roman cp850 utf-16-le",
    "Pracownicy mają prawo do trzydziestu dni urlopu w roku. Wynagrodzenie za godziny nadliczbowe określa umowa; każdy "
    "wniosek należy złożyć na piśmie.": "cp1250 iso8859-2 utf-16-be",
    "Сотрудники имеют право на тридцать дней отпуска в год.": "cp1251 koi8-r cp866 iso8859-5 mac_cyrillic utf-16-le",
    "Οι εργαζόμενοι δικαιούνται τριάντα ημέρες άδεια τον χρόνο.": "cp1253 iso8859-7 utf-16-be",
    "העובדים זכאים לשלושים ימי חופשה בשנה. על שינוי החוזה יש להודיע מראש.": "cp1255 utf-16-le",
    "يحق للموظفين ثلاثون يوما من الإجازة في السنة. يجب إبلاغهم بتغيير العقد.": "cp1256 iso8859-6 utf-16-le",
    "従業員は年に三十日の休暇を取る権利があります。": "cp932 euc_jp iso2022_jp utf-16-le",
    "员工每年有权享受三十天的假期。合同变更必须及时通知。": "gb18030 utf-16-le",
    "員工每年有權享受三十天的假期。合約變更必須及時通知。": "big5 utf-16-be",
    "직원은 일 년에 삼십 일의 휴가를 받을 권리가 있습니다.": "cp949 utf-16-le",
}


@pytest.mark.parametrize(
    ("sentence", "encoding"), [(text, each) for text, encodings in SENTENCES.items() for each in encodings.split()]
)
def test_a_sentence_is_read_in_whatever_set_of_letters_it_was_written(sentence, encoding):
    assert decode(sentence.encode(encoding))[0] == sentence


def test_few_foreign_letters_make_a_doubtful_guess():
    assert guess("Grüße".encode("cp1252")) == ("cp1252", False)


def test_faultless_utf_8_is_that_whatever_the_file_says():
    assert decode("Grüße".encode(), "cp1252") == ("Grüße", [])


def test_a_few_damaged_letters_do_not_make_it_another_encoding():
    text, warnings = decode(("Grüße aus München. " * 40).encode() + b"\xff")
    assert (text[:5], warnings) == ("Grüße", ["Some letters of the file are damaged."])


def test_wide_text_without_a_mark_is_no_binary_file(tmp_path):
    path = saved(tmp_path, "Сотрудники имеют право на отпуск.".encode("utf-16-le"), "a.txt")
    assert kind_of(path, "a.txt") == "text"


# Bombs and traps ---------------------------------------------------------------------------------------------------
def changed(path: Path, part: str, change) -> Path:
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts[part] = change(parts[part])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return path


def declaring(data: bytes) -> bytes:
    laughs = b'<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>'
    return data.replace(b"?>", b"?>" + laughs, 1)


def test_a_sheet_that_declares_entities_is_refused(tmp_path):
    path = workbook(tmp_path, lambda book: book.active.append(["x"]))
    path = changed(path, "xl/workbook.xml", lambda data: declaring(b"<?xml version='1.0'?>" + data.partition(b"?>")[2]))
    assert refused(path) == "damaged"


def test_a_slide_that_declares_entities_is_refused(tmp_path):
    path = deck(tmp_path, lambda slides: slides.slides.add_slide(slides.slide_layouts[5]))
    assert refused(changed(path, "ppt/slides/slide1.xml", declaring)) == "damaged"


@pytest.mark.parametrize("name", ["file.xlsx", "file.pptx", "file.docx", "file.odt"])
def test_a_cut_office_file_is_read_or_refused_in_words(tmp_path, name):
    makers = {
        "file.xlsx": lambda: workbook(tmp_path, lambda book: book.active.append(["x"])),
        "file.pptx": lambda: deck(tmp_path, lambda slides: slides.slides.add_slide(slides.slide_layouts[5])),
        "file.docx": lambda: word(tmp_path, lambda document: document.add_paragraph("x")),
        "file.odt": lambda: odfdo.Document("text").save(tmp_path / name),
    }
    makers[name]()
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) // 2])
    assert refused(tmp_path / name) == "damaged"


def packed(parts: dict[str, str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return out.getvalue()


@pytest.mark.parametrize(
    ("kind", "part"),
    [
        ("spreadsheetml.sheet.main+xml", "xl/workbook.xml"),
        ("presentationml.presentation.main+xml", "ppt/presentation.xml"),
    ],
)
def test_a_bomb_of_any_office_kind_is_refused_by_its_directory(tmp_path, kind, part):
    path = saved(tmp_path, packed({"[Content_Types].xml": kind, part: "0" * 60_000_000}))
    assert refused(path) == "too_large"


@pytest.mark.parametrize(
    ("what", "word"),
    [
        ("application/vnd.oasis.opendocument.spreadsheet", "ods"),
        ("application/vnd.oasis.opendocument.presentation", "odp"),
        ("application/epub+zip", "epub"),
    ],
)
def test_formats_that_are_not_read_are_named(tmp_path, what, word):
    with pytest.raises(ExtractionError, match=word):
        kind_of(saved(tmp_path, packed({"mimetype": what})), "file")
