"""Files that mean no good, and for each the end that it must come to.

Nothing here is stored: each file is made when it is wanted. `outside` is the address of a server that nobody may ask.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from tests.hostile import mails, office, pdfs, texts
from tests.pdfs import pdf

READY, WARNING, FAILED, REFUSED = "ready", "warning", "failed", "refused"
PDF = "pdf"


@dataclass(frozen=True)
class Hostile:
    """A file, its name, and how it ends: ready, warning, "failed CODE" or "refused CODE"."""

    name: str
    make: Callable[[], bytes] | Callable[[str], bytes]
    end: str
    says: str = ""  # in what a person is told
    asks: bool = False  # it names the address outside

    def content(self, outside: str) -> bytes:
        return self.make(outside) if self.asks else self.make()  # type: ignore[call-arg]


def _words(text: bytes) -> Callable[[], bytes]:
    return lambda: text


FILES = [
    # PDF
    Hostile("content-bomb.pdf", pdfs.content_bomb, WARNING, "Page 1 could not be read."),
    Hostile("table-bomb.pdf", pdfs.table_bomb, "failed crashed"),
    Hostile("image-bomb.pdf", pdfs.image_bomb, WARNING),
    Hostile("drawings-in-drawings.pdf", pdfs.forms, WARNING),
    Hostile("drawing-of-itself.pdf", pdfs.form_of_itself, READY),
    Hostile("tree-of-itself.pdf", pdfs.tree_of_itself, READY),
    Hostile("a-million-pages.pdf", pdfs.too_many, READY),
    Hostile("too-few-pages.pdf", pdfs.too_few, WARNING),
    Hostile("nested-arrays.pdf", pdfs.nested, READY),
    Hostile("nested-content.pdf", pdfs.nested_content, READY),
    Hostile("huge-page.pdf", partial(pdfs.box, b"0 0 1000000000 1000000000"), READY),
    Hostile("page-of-no-size.pdf", partial(pdfs.box, b"0 0 0 0"), READY),
    Hostile("page-of-nan.pdf", partial(pdfs.box, b"nan nan nan nan"), READY),
    Hostile("without-table.pdf", pdfs.without_table, READY),
    Hostile("table-of-itself.pdf", pdfs.table_of_itself, READY),
    *(Hostile(f"cut-at-{tenths}0.pdf", partial(pdfs.cut, tenths), "failed damaged") for tenths in range(1, 10)),
    Hostile("locked-rc4.pdf", partial(pdfs.locked, "RC4-128"), "failed password"),
    Hostile("locked-aes.pdf", partial(pdfs.locked, "AES-256"), "failed password"),
    Hostile("actions.pdf", pdfs.actions, READY, asks=True),
    Hostile("metadata.pdf", pdfs.packets, READY, asks=True),
    Hostile("bomb-attached.pdf", pdfs.attached_bomb, READY),
    Hostile("packed-objects.pdf", pdfs.packed_objects, READY),
    Hostile("grid.pdf", pdfs.grid, READY),
    Hostile("overprinted.pdf", pdfs.overprinted, READY),
    Hostile("long-form.pdf", pdfs.fields, READY),
    Hostile("outline-of-itself.pdf", pdfs.outline_of_itself, READY),
    Hostile("labels.pdf", pdfs.labels, READY),
    Hostile("halves.pdf", pdfs.halves, READY),
    Hostile("tags.pdf", pdfs.structure, READY),
    # Word
    Hostile("bomb.docx", office.docx_bomb, "refused too_large"),
    Hostile("many-elements.docx", office.docx_many_elements, "failed memory"),
    Hostile("billion-laughs.docx", office.docx_laughs, "failed damaged", "declares entities"),
    Hostile("entity-file.docx", partial(office.docx_entity, "file:///etc/passwd"), "failed damaged", "entities"),
    Hostile("entity-http.docx", office.docx_entity, "failed damaged", "entities", asks=True),
    Hostile("entity-wide.docx", office.docx_wide_entity, "failed damaged", "entities"),
    Hostile("reaching-out.docx", office.docx_reaching_out, READY, asks=True),
    Hostile("many-entries.docx", office.docx_entries, "refused too_large"),
    Hostile("locked.docx", office.docx_locked, "refused password"),
    Hostile("wrong-size.docx", office.docx_wrong_size, "failed damaged"),
    Hostile("wrong-directory.docx", office.docx_wrong_directory, "refused too_large"),
    Hostile("quoted-end.docx", office.docx_quoted_end, "refused too_large"),
    Hostile("twice.docx", office.docx_twice, READY),
    Hostile("paths.docx", office.docx_paths, READY),
    Hostile("lzma.docx", office.docx_lzma, "refused damaged", "no office program"),
    Hostile("deep.docx", office.docx_deep, "failed damaged"),
    Hostile("tables-in-tables.docx", office.docx_tables, READY),
    # Sheets
    Hostile("far-cell.xlsx", office.xlsx_far_cell, WARNING, "far to the right"),
    Hostile("dimension.xlsx", office.xlsx_dimension, READY),
    Hostile("empty-rows.xlsx", office.xlsx_empty_rows, READY),
    Hostile("words.xlsx", office.xlsx_words, "refused too_large"),
    Hostile("one-word.xlsx", office.xlsx_one_word, WARNING),
    Hostile("formulas.xlsx", office.xlsx_formulas, READY, asks=True),
    Hostile("columns.xlsx", office.xlsx_columns, READY),
    Hostile("format.xlsx", office.xlsx_format, READY),
    # Presentations and OpenDocument
    Hostile("cycle.pptx", partial(office.pptx_cycle, "slide", "image"), READY),
    Hostile("notes-of-itself.pptx", partial(office.pptx_cycle, "notesSlide"), "failed damaged"),
    Hostile("chart.pptx", office.pptx_chart, READY),
    Hostile("groups.pptx", office.pptx_groups, "failed damaged"),
    Hostile("laughs.pptx", office.pptx_laughs, "failed damaged", "declares entities"),
    Hostile("bomb.odt", office.odt_bomb, "refused too_large"),
    Hostile("laughs.odt", office.odt_laughs, "failed damaged", "declares entities"),
    Hostile("repeated.odt", office.odt_repeated, READY),
    Hostile("reaching-out.odt", office.odt_reaching_out, READY, asks=True),
    # Tables as text
    Hostile("one-line.csv", texts.csv_one_line, WARNING),
    Hostile("columns.csv", texts.csv_columns, WARNING, "1,000 cells"),
    Hostile("nuls.csv", texts.csv_nuls, READY),
    Hostile("unclosed.csv", texts.csv_unclosed, WARNING, "never closed"),
    Hostile("marks.csv", texts.csv_marks, WARNING),
    Hostile("formulas.csv", texts.csv_formulas, READY),
    # Web pages
    Hostile("nested.html", partial(texts.nested, "div", 200_000), "failed time"),
    Hostile("less-nested.html", partial(texts.nested, "div", 3_000), READY),
    Hostile("nested-letters.html", partial(texts.nested, "b", 50_000), READY),
    Hostile("tables.html", texts.tables, READY),
    Hostile("attributes.html", texts.attributes, "failed time"),
    Hostile("formatting.html", texts.formatting, READY),
    Hostile("comment.html", texts.comment, READY),
    Hostile("script.html", texts.script, READY),
    Hostile("entities.html", texts.entities, WARNING, "cut"),
    Hostile("spans.html", texts.spans, READY),
    Hostile("reaching-out.html", texts.reaching_out, READY, asks=True),
    Hostile("picture.html", texts.picture, READY),
    # Notes
    Hostile("brackets.md", texts.brackets, WARNING, "cut"),
    Hostile("quotes.md", texts.quotes, WARNING, "cut"),
    Hostile("emphasis.md", texts.emphasis, WARNING, "cut"),
    Hostile("lists.md", texts.lists, WARNING, "cut"),
    Hostile("ticks.md", texts.ticks, WARNING, "cut"),
    Hostile("references.md", texts.references, WARNING, "cut"),
    Hostile("bars.md", texts.bars, READY),
    # Text
    Hostile("one-line.txt", texts.one_line, WARNING, "cut"),
    Hostile("one-word.txt", texts.one_word, WARNING, "cut"),
    Hostile("nuls.txt", texts.nuls, READY),
    Hostile("halves.txt", texts.halves, WARNING),
    Hostile("mark-in-the-middle.txt", texts.mark_in_the_middle, READY),
    Hostile("turned.txt", texts.turned, READY),
    Hostile("marks.txt", texts.marks, WARNING, "cut"),
    Hostile("odd-wide.txt", texts.odd_wide, WARNING, "damaged"),
    Hostile("seven-bits.txt", texts.seven_bits, READY),
    Hostile("zero-width.txt", texts.zero_width, WARNING, "No text"),
    Hostile("special-tokens.txt", texts.special_tokens, WARNING, "speaks to a language model"),
    Hostile("odd-lines.txt", texts.odd_lines, READY),
    # Mail
    Hostile("mail-in-mail.eml", mails.mail_in_mail, WARNING, "more than 5 deep"),
    Hostile("mail-attached.eml", mails.mail_attached_to_mail, READY),
    Hostile("parts.eml", mails.parts, WARNING, "more parts"),
    Hostile("parts-in-parts.eml", mails.parts_in_parts, "failed damaged"),
    Hostile("unclosed.eml", mails.unclosed, READY),
    Hostile("long-header.eml", mails.long_header, READY),
    Hostile("long-words.eml", mails.long_words, READY),
    Hostile("rot13.eml", partial(mails.charset, "rot13"), READY),
    Hostile("unknown.eml", partial(mails.charset, "x-none-such"), READY),
    Hostile("odd-names.eml", mails.odd_names, READY),
    Hostile("bomb-attached.eml", mails.bomb_attached, READY),
    Hostile("sheet-attached.eml", mails.sheets_attached, READY),
    Hostile("reaching-out.eml", mails.reaching_out, READY, asks=True),
    # Rich text
    Hostile("groups.rtf", mails.rtf_groups, WARNING, "too deep"),
    Hostile("binary.rtf", mails.rtf_binary, READY),
    Hostile("object.rtf", mails.rtf_object, READY, asks=True),
    Hostile("numbers.rtf", mails.rtf_numbers, READY),
    # What is not what its name says
    Hostile("program.pdf", _words(b"MZ\x90\0" + bytes(2_000)), "refused unsupported", "Windows program"),
    Hostile("image.txt", _words(b"\x89PNG\r\n\x1a\n" + bytes(2_000)), "refused unsupported", "PNG"),
    Hostile("pdf.docx", _words(pdf(pdfs.line("A PDF by another name."))), READY),
    Hostile("page.pdf", _words(texts.html("A web page by another name.")), READY),
    Hostile("archive.xlsx", office.zipped, "refused unsupported", "archive"),
    Hostile("binary.md", _words(bytes(range(256)) * 40), "refused unsupported", "binary"),
    # Odd names and sizes
    Hostile("report\u202efdp.exe.md", _words(b"The name is turned round."), READY),
    Hostile("n" * 300 + ".md", _words(b"The name is long."), READY),
    Hostile("...", _words(b"The name is dots."), READY),
    Hostile("two\nlines.md", _words(b"The name has two lines."), READY),
    Hostile("\N{PILE OF POO}\u200d\ufe0f.md", _words(b"The name is a picture."), READY),
    Hostile("nul\0.md", _words(b"The name has a NUL."), READY),
    Hostile("../../../../tmp/lectern-was-here.md", _words(b"The name leads elsewhere."), READY),
    Hostile("empty.md", _words(b""), "refused empty"),
    Hostile("blank.md", _words(b" \n\t" * 20_000), "refused empty"),
    Hostile("one-byte.md", _words(b"x"), READY),
]
