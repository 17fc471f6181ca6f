"""From files, also broken and hostile ones, to pages of text."""

import io
import shutil
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import docx
import pypdf
import pypdfium2
import pytest
from docx.oxml.parser import parse_xml
from hypothesis import given, settings
from hypothesis import strategies as st

from documents.extraction import ExtractedDocument, ExtractedPage, ExtractionError, Order, extract, kind_of
from documents.extraction.docx import docx_draft
from documents.extraction.drafts import SECTION_MOST, Draft, clean, split
from documents.extraction.html import html_draft
from documents.extraction.markdown import markdown_draft
from documents.extraction.pages import good_title, page_sentences
from documents.extraction.text import decode, plain_draft
from tests import pdfs

FILES = Path(__file__).resolve().parent.parent.parent / "shared" / "eval" / "files"
real_files = pytest.mark.skipif(not FILES.is_dir(), reason="the real files are not here")
GIB = 2**30
W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def saved(tmp_path: Path, data: bytes, name: str = "file") -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


def extracted(path: Path, kind: str, **limits) -> tuple[ExtractedDocument, list[ExtractedPage]]:
    limits = {"memory_bytes": 2 * GIB, "seconds": 30, "pages_max": 1_000} | limits
    order = Order(path, limits.pop("pages_max"), limits.pop("password", ""))
    items = list(extract(order, kind, **limits))
    pages = [item for item in items if isinstance(item, ExtractedPage)]
    sentences = page_sentences((number, page.warning) for number, page in enumerate(pages, 1) if page.warning)
    return replace(items[-1], warnings=items[-1].warnings + sentences), pages


def refusal(path: Path, kind: str = "pdf", **limits) -> ExtractionError:
    with pytest.raises(ExtractionError) as caught:
        extracted(path, kind, **limits)
    return caught.value


def line(letters: bytes, y: float = 500, size: float = 12) -> bytes:
    return pdfs.text([(50, y, size, letters)])


# Kinds -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("data", "name", "kind"),
    [
        (b"%PDF-1.4\n...", "notes.txt", "pdf"),
        (b"<!DOCTYPE html><p>Hi", "page", "html"),
        (b"\xef\xbb\xbf  <!-- a --><html>", "page.txt", "html"),
        (b"<p>a fragment</p>", "page.html", "html"),
        (b"a < b and no tag", "page.html", "text"),
        (b"# Title", "readme.MD", "markdown"),
        (b"# Title", "readme", "text"),
        ("Grüße".encode("latin-1"), "a.txt", "text"),
        ("Grüße".encode("utf-16"), "a.txt", "text"),
        (b"one\x00two", "a.txt", "text"),
    ],
)
def test_the_content_decides_the_kind(tmp_path, data, name, kind):
    assert kind_of(saved(tmp_path, data), name) == kind


def packed(names: dict[str, str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in names.items():
            archive.writestr(name, text)
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "empty"),
        (b" \n\n", "empty"),
        (b"MZ\x90\x00", "program"),
        (b"\x89PNG\r\n", "image"),
        (bytes(range(256)) * 9, "binary"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "old kind"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"), "password"),
        (packed({"a.txt": "a"}), "archive"),
        (packed({"[Content_Types].xml": "application/vnd.ms-excel.sheet.binary.macroEnabled.main"}), "xlsb"),
        (packed({"mimetype": "application/vnd.oasis.opendocument.graphics"}), "OpenDocument"),
        (b"PK\x03\x04 and nothing more", "damaged"),
    ],
)
def test_what_cannot_be_read_is_refused_in_words(tmp_path, data, what):
    with pytest.raises(ExtractionError, match=what) as caught:
        kind_of(saved(tmp_path, data), "paper.pdf")
    assert caught.value.advice


def test_a_zip_bomb_is_refused_by_its_directory(tmp_path):
    bomb = packed({"[Content_Types].xml": "wordprocessingml.document.main+xml", "word/document.xml": "0" * 60_000_000})
    with pytest.raises(ExtractionError) as caught:
        kind_of(saved(tmp_path, bomb), "bomb.docx")
    assert caught.value.code == "too_large"


def test_an_archive_with_countless_entries_is_refused_unread(tmp_path):
    many = packed({f"{number:0200d}": "" for number in range(9_000)})
    with pytest.raises(ExtractionError) as caught:
        kind_of(saved(tmp_path, many), "many.docx")
    assert caught.value.code == "too_large"


def test_a_beginning_made_of_comments_is_looked_at_quickly(tmp_path):
    began = time.monotonic()
    assert kind_of(saved(tmp_path, b"<!-- a -->" * 3_000), "a.txt") == "text"
    assert time.monotonic() - began < 1


def test_a_text_that_speaks_of_pdf_is_a_text(tmp_path):
    assert kind_of(saved(tmp_path, b"Such a file begins with %PDF-1.7."), "a.txt") == "text"


@real_files
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("agency/DHS2020.pdf", "pdf"),
        ("office/handbook-1p.docx", "docx"),
        ("office/ideas-page.html", "html"),
        ("office/README.md", "markdown"),
        ("office/stanley-cups.csv", "csv"),
        ("office/sample-presentation.pptx", "pptx"),
        ("office/2023-half-year-analyses-by-segment.xlsx", "xlsx"),
        ("office/fake-email-attachment.eml", "eml"),
    ],
)
def test_real_files_are_what_they_are(name, kind):
    assert kind_of(FILES / name, name) == kind


# PDF ---------------------------------------------------------------------------------------------------------------
def test_the_document_comes_first_and_once_more_complete_at_the_end(tmp_path):
    path = saved(tmp_path, pdfs.pdf(line(b"one"), line(b"two")))
    first, one, two, last = extract(Order(path, 9), "pdf", memory_bytes=GIB, seconds=30)
    assert (first.page_count, one.text, two.text, last.page_count) == (2, "one", "two", 2)


@real_files
@pytest.mark.parametrize("name", ["agency/NARA2022.pdf", "agency/GSA2022.pdf", "ntsb/20080111X00041.pdf"])
def test_a_real_page_has_one_character_for_each_of_pdfiums(name):
    _, pages = extracted(FILES / name, "pdf")
    with pypdfium2.PdfDocument(FILES / name) as pdf:
        counts = [page.get_textpage().count_chars() for page in pdf]
    assert [len(page.text) for page in pages] == counts


@real_files
def test_a_real_outline_becomes_headings_where_their_words_stand():
    _, pages = extracted(FILES / "agency/NARA2022.pdf", "pdf")
    assert (1193, 1, "Vision") in pages[2].headings
    assert pages[2].text[1193:].startswith("Vision")


@real_files
def test_real_headings_are_found_by_their_size_where_there_is_no_outline():
    _, pages = extracted(FILES / "ntsb/20071229X02007.pdf", "pdf")
    titles = [title for page in pages for _, _, title in page.headings]
    assert {"Analysis", "Factual Information", "Pilot Information", "Airport Information"} <= set(titles)
    assert not [title for title in titles if "Page" in title]


CMAP = b"""/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def
1 begincodespacerange <00> <FF> endcodespacerange
3 beginbfchar <41> <D83DDE00> <42> <0000> <43> <D83D> endbfchar endcmap end end"""


def with_odd_letters(letters: bytes) -> bytes:
    """In this font A is an emoji, B is NUL and C half a surrogate pair."""
    font = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/ToUnicode 4 0 R>>"
    return pdfs.pdf(line(letters), font=font, more=[pdfs.stream(CMAP)])


@pytest.mark.parametrize("letters", [b"xAyAAz", b"AxB", b"CxyC", b"BxxB", b"BAC"])
def test_odd_letters_move_no_offset(tmp_path, letters):
    path = saved(tmp_path, with_odd_letters(letters))
    [page] = extracted(path, "pdf")[1]
    with pypdfium2.PdfDocument(path) as pdf:
        textpage = pdf[0].get_textpage()
        plain = [index for index in range(textpage.count_chars()) if page.text[index] in "xyz"]
        assert len(page.text) == textpage.count_chars()
        assert "".join(page.text[index] for index in plain) == "".join(
            letter for letter in map(chr, letters) if letter in "xyz"
        )
        assert all(textpage.get_text_range(index, 1) == page.text[index] for index in plain)


def test_no_nul_and_no_half_character_reaches_the_text(tmp_path):
    [page] = extracted(saved(tmp_path, with_odd_letters(b"xAyBzCw")), "pdf")[1]
    assert "\x00" not in page.text
    assert page.text.encode()
    assert "😀" in page.text


def test_an_empty_password_is_no_obstacle(tmp_path):
    assert extracted(saved(tmp_path, encrypted("")), "pdf")[1][0].text == "secret"


def test_a_given_password_opens_the_file(tmp_path):
    assert extracted(saved(tmp_path, encrypted("knock")), "pdf", password="knock")[1][0].text == "secret"


@pytest.mark.parametrize("password", ["", "wrong"])
def test_a_file_that_wants_another_password_says_so(tmp_path, password):
    error = refusal(saved(tmp_path, encrypted("knock")), password=password)
    assert (error.code, error.reason) == ("password", "The file asks for a password.")


def encrypted(password: str) -> bytes:
    writer = pypdf.PdfWriter(io.BytesIO(pdfs.pdf(line(b"secret"))))
    writer.encrypt(password, owner_password="owner", algorithm="AES-256")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def test_a_file_that_claims_a_million_pages_ends_with_those_it_has(tmp_path):
    document, pages = extracted(saved(tmp_path, pdfs.pdf(line(b"only"), count=1_000_000)), "pdf", seconds=20)
    assert ([page.text for page in pages], document) == (["only"], ExtractedDocument(page_count=1))


def test_an_endless_tree_of_pages_ends(tmp_path):
    looped = pdfs.file([b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[2 0 R 2 0 R]/Count 500000>>"])
    assert refusal(saved(tmp_path, looped), seconds=20).code == "damaged"


def test_a_truncated_file_is_read_or_refused_in_words(tmp_path):
    whole = pdfs.pdf(*[line(b"page")] * 4)
    for share in (0.3, 0.6, 0.95):
        path = saved(tmp_path, whole[: int(len(whole) * share)])
        try:
            document, pages = extracted(path, "pdf")
        except ExtractionError as exc:
            assert exc.advice
        else:
            assert document.warnings or any(page.text for page in pages)


def test_nonsense_after_the_header_is_damaged(tmp_path):
    assert refusal(saved(tmp_path, b"%PDF-1.7\n" + b"nonsense " * 99)).code == "damaged"


def test_more_pages_than_allowed_are_cut_with_a_warning(tmp_path):
    document, pages = extracted(saved(tmp_path, pdfs.pdf(*[line(b"page")] * 5)), "pdf", pages_max=3)
    assert (len(pages), document.warnings) == (3, ["The file was cut at 3 pages."])


def test_a_scanned_page_is_called_one_without_a_text_layer(tmp_path):
    image = pdfs.stream(
        b"\x00", b"/Type/XObject/Subtype/Image/Width 1/Height 1/ColorSpace/DeviceGray/BitsPerComponent 8"
    )
    scan = b"q 400 0 0 600 0 0 cm /I1 Do Q"
    document, pages = extracted(saved(tmp_path, pdfs.pdf(scan, line(b"typed"), scan, more=[image])), "pdf")
    warning = "no recognition" if shutil.which("tesseract") else "no text layer"  # There are no words on this image.
    assert [page.warning for page in pages] == [warning, "", warning]
    assert document.warnings[0].startswith("Pages 1, 3 ")


def test_the_labels_printed_on_pages_are_kept(tmp_path):
    labels = b"/PageLabels<</Nums[0<</S/r>>2<</S/D>>]>>"
    pages = extracted(saved(tmp_path, pdfs.pdf(*[line(b"page")] * 3, catalogue=labels)), "pdf")[1]
    assert [page.label for page in pages] == ["i", "ii", "1"]


def test_a_title_that_a_program_left_behind_is_none():
    junk = ["Microsoft Word - a b.doc", "untitled", "report_v2.pdf", "DHS2020", "", "PowerPoint Presentation"]
    assert [good_title(title) for title in junk] == [""] * 6


def test_a_title_that_somebody_gave_is_kept():
    assert good_title(" Annual\nreport 2024 ") == "Annual report 2024"


def test_warnings_of_pages_are_told_as_sentences():
    assert page_sentences([(2, "could not be read")]) == ["Page 2 could not be read."]


# Limits ------------------------------------------------------------------------------------------------------------
def test_a_file_that_needs_more_memory_than_allowed_is_refused(tmp_path):
    path = saved(tmp_path, b"word " * 40_000_000)
    assert refusal(path, "text", memory_bytes=300 * 2**20).code == "memory"


def test_reading_stops_when_its_time_is_over(tmp_path):
    began = time.monotonic()
    path = saved(tmp_path, b"> " * 3_000_000)
    assert refusal(path, "html", seconds=0.05).code == "time"
    assert time.monotonic() - began < 5


def test_time_the_caller_spends_between_pages_does_not_count(tmp_path):
    pages = extract(Order(saved(tmp_path, pdfs.pdf(*[line(b"page")] * 3)), 9), "pdf", memory_bytes=GIB, seconds=2)
    next(pages)
    time.sleep(2.1)
    assert len(list(pages)) == 4


# Word --------------------------------------------------------------------------------------------------------------
def word(tmp_path: Path, write) -> Path:
    document = docx.Document()
    write(document)
    document.save(str(tmp_path / "file.docx"))
    return tmp_path / "file.docx"


def test_paragraphs_lists_and_tables_keep_their_order(tmp_path):
    def write(document):
        document.add_heading("Leave", 1)
        document.add_paragraph("Before.")
        table = document.add_table(2, 2)
        for cell, text in zip([*table.rows[0].cells, *table.rows[1].cells], "abcd", strict=True):
            cell.text = text
        document.add_paragraph("first", style="List Bullet")
        document.add_paragraph("second", style="List Number")
        document.add_paragraph("After.")

    draft = docx_draft(word(tmp_path, write))
    assert draft.text == "Leave\n\nBefore.\n\na | b\nc | d\n\n- first\n- second\n\nAfter.\n"
    assert draft.headings == [(0, 1, "Leave")]


def body(document, xml: str) -> None:
    document.element.body.insert(0, parse_xml(f'<w:p xmlns:w="{W}">{xml}</w:p>'))


def test_text_boxes_insertions_and_content_controls_are_read_and_deletions_not(tmp_path):
    def write(document):
        box = "<w:r><w:pict><w:txbxContent><w:p><w:r><w:t>boxed</w:t></w:r></w:p></w:txbxContent></w:pict></w:r>"
        body(document, box)
        body(
            document, "<w:ins><w:r><w:t>added</w:t></w:r></w:ins><w:del><w:r><w:delText>gone</w:delText></w:r></w:del>"
        )
        body(document, "<w:sdt><w:sdtContent><w:r><w:t>chosen</w:t></w:r></w:sdtContent></w:sdt>")

    assert docx_draft(word(tmp_path, write)).text.split() == ["chosen", "added", "boxed"]


def test_a_table_in_a_content_control_is_not_dropped(tmp_path):
    def write(document):
        table = "<w:tbl><w:tr><w:tc><w:p><w:r><w:t>kept</w:t></w:r></w:p></w:tc></w:tr></w:tbl>"
        control = f'<w:sdt xmlns:w="{W}"><w:sdtContent>{table}</w:sdtContent></w:sdt>'
        document.element.body.insert(0, parse_xml(control))

    assert docx_draft(word(tmp_path, write)).text.strip() == "kept"


def test_a_page_break_begins_a_page(tmp_path):
    def write(document):
        document.add_paragraph("one")
        document.add_page_break()
        document.add_paragraph("two")

    assert [page.text.strip() for page in extracted(word(tmp_path, write), "docx")[1]] == ["one", "two"]


def test_a_heading_is_known_by_its_style_in_other_languages_and_by_its_outline_level(tmp_path):
    def write(document):
        document.styles["Heading 2"].element.find(f"{{{W}}}name").set(f"{{{W}}}val", "Überschrift 2")
        document.add_paragraph("Zwei", style=document.styles["Überschrift 2"])
        body(document, '<w:pPr><w:outlineLvl w:val="0"/></w:pPr><w:r><w:t>Eins</w:t></w:r>')

    assert [heading[1:] for heading in docx_draft(word(tmp_path, write)).headings] == [(1, "Eins"), (2, "Zwei")]


def test_the_title_is_the_properties_own_or_that_of_the_title_paragraph(tmp_path):
    def write(document):
        document.core_properties.title = ""
        document.add_heading("The handbook", 0)

    assert docx_draft(word(tmp_path, write)).title == "The handbook"


def test_a_part_that_declares_entities_is_refused(tmp_path):
    laughs = '<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>'
    source = word(tmp_path, lambda document: document.add_paragraph("x"))
    with zipfile.ZipFile(source) as archive:
        parts = {name: archive.read(name).decode() for name in archive.namelist() if not name.endswith(".jpeg")}
    parts["word/document.xml"] = parts["word/document.xml"].replace("?>", "?>" + laughs, 1)
    assert refusal(saved(tmp_path, packed(parts), "laughs.docx"), "docx").code == "damaged"


@real_files
def test_every_table_of_a_real_file_is_there():
    text = docx_draft(FILES / "office/docx-tables.docx").text
    assert "Header Col 1 | Header Col 2\nLorem ipsum | A link example" in text
    assert "d | e f g&t h | i" in text


# HTML --------------------------------------------------------------------------------------------------------------
def test_what_a_reader_does_not_see_is_left_out():
    source = "<nav>menu</nav><script>run()</script><style>p{}</style><p hidden>no<p style='display: none'>no<p>yes"
    assert html_draft(source).text == "yes\n"


def test_headings_lists_and_tables_of_html():
    source = "<h1>Top</h1><p>a <b>bold</b> word<ul><li>one<li>two</ul><table><tr><th>x<th>y<tr><td>1<td>2</table>"
    draft = html_draft(source)
    assert draft.text == "Top\n\na bold word\n\n- one\n- two\n\nx | y\n1 | 2\n"
    assert (draft.headings, draft.title) == ([(0, 1, "Top")], "Top")


def test_a_table_that_only_arranges_the_page_keeps_its_headings():
    draft = html_draft("<table><tr><td>side<td><h2>News</h2><p>one<p>two</table>")
    assert [title for _, _, title in draft.headings] == ["News"]


@pytest.mark.parametrize(
    "data",
    [
        "<meta charset=windows-1252><p>Grüße".encode("cp1252"),
        "<meta charset=iso-8859-1><p>Grüße".encode("cp1252"),
        "<p>Grüße".encode(),
        "<p>Grüße".encode("utf-16"),
    ],
)
def test_the_letters_of_html_are_those_it_declares(tmp_path, data):
    assert extracted(saved(tmp_path, data), "html")[1][0].text == "Grüße\n"


def test_deep_nesting_is_no_harm():
    assert html_draft("<div>" * 3_000 + "deep").text == "deep\n"


# Markdown and text -------------------------------------------------------------------------------------------------
def test_markdown_stays_as_it_was_written_and_its_headings_are_found():
    source = "---\ntitle: x\n---\n# One *two*\n\n```\n# not\n```\n\nThree\n-----\n"
    draft = markdown_draft(source, [])
    assert (draft.text, draft.title) == (source, "One two")
    assert [(level, title, source[offset:][:5]) for offset, level, title in draft.headings] == [
        (1, "One two", "# One"),
        (2, "Three", "Three"),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_text_that_says_its_encoding_is_read_without_a_warning(encoding):
    assert decode("Grüße, 東京".encode(encoding)) == ("Grüße, 東京", [])


def test_a_guessed_encoding_is_told():
    text, warnings = decode("Grüße".encode("cp1252"))
    assert text == "Grüße"
    assert "guessed" in warnings[0]


def test_a_form_feed_begins_a_page():
    draft = plain_draft("one\ftwo", [])
    assert [draft.text[start:end] for start, end in split(draft)] == ["one\n", "two"]


@given(st.text(st.characters(codec=None)))
def test_cleaned_text_can_be_kept_anywhere(text):
    cleaned = clean(text)
    assert "\x00" not in cleaned
    assert "\r" not in cleaned
    cleaned.encode()


@settings(max_examples=60)
@given(
    st.lists(st.sampled_from(["word ", "\n\n", "\n", "A sentence. ", "x" * 900, "  "]), max_size=90),
    st.sets(st.integers(0, 9_000), max_size=6),
    st.sets(st.integers(1, 9_000), max_size=4),
)
def test_sections_put_together_are_the_text(pieces, headings, breaks):
    text = "".join(pieces)
    inside = sorted(offset for offset in breaks if offset < len(text))
    spans = list(split(Draft(text=text, headings=[(at, 1, "") for at in sorted(headings)], breaks=inside)))
    assert "".join(text[start:end] for start, end in spans) == (text if text.strip() else "")
    assert all(text[start:end].strip() for start, end in spans)
    assert all(len(text[start:end].strip()) <= SECTION_MOST for start, end in spans)


def test_the_headings_of_a_section_are_counted_from_its_beginning(tmp_path):
    source = "".join(f"## Part {number}\n\n{'word ' * 300}\n\n" for number in range(3))
    pages = extracted(saved(tmp_path, source.encode()), "markdown")[1]
    for page in pages:
        assert [page.text[offset:].startswith(f"## {title}") for offset, _, title in page.headings] == [True]
