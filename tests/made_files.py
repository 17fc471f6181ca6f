"""The same facts as a file of each format that can be uploaded."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from email.message import EmailMessage

from tests import pdfs

Table = Sequence[Sequence[str]]
LINES_A_PAGE = 40


def pdf(facts: Sequence[str], table: Table = ()) -> bytes:
    lines = [*facts, *(f"{'  '.join(row)}" for row in table)]
    pages = [lines[at : at + LINES_A_PAGE] for at in range(0, len(lines), LINES_A_PAGE)]
    return pdfs.pdf(
        *(
            pdfs.text([(20, 580 - 14 * place, 8, line.encode("cp1252")) for place, line in enumerate(page)])
            for page in pages
        )
    )


def docx(facts: Sequence[str], table: Table = ()) -> bytes:
    import docx as library

    document = library.Document()
    for fact in facts:
        document.add_paragraph(fact)
    _fill(document.add_table(len(table), len(table[0])), table)
    return _saved(document)


def pptx(facts: Sequence[str], table: Table = ()) -> bytes:
    from pptx import Presentation
    from pptx.util import Inches

    show = Presentation()
    for at in range(0, len(facts), 5):
        slide = show.slides.add_slide(show.slide_layouts[1])
        slide.shapes.title.text = f"Slide {at}"
        slide.placeholders[1].text = "\n".join(facts[at : at + 5])
    slide = show.slides.add_slide(show.slide_layouts[5])
    shape = slide.shapes.add_table(len(table), len(table[0]), Inches(1), Inches(2), Inches(6), Inches(2))
    _fill(shape.table, table)
    return _saved(show)


def xlsx(facts: Sequence[str], table: Table = ()) -> bytes:
    from openpyxl import Workbook

    book = Workbook()
    for row in [*([fact] for fact in facts), [], *table]:
        book.active.append(list(row))
    return _saved(book)


def _fill(target, table: Table) -> None:
    for row, cells in enumerate(table):
        for column, cell in enumerate(cells):
            target.cell(row, column).text = cell


def _saved(document) -> bytes:
    target = io.BytesIO()
    document.save(target)
    return target.getvalue()


def table_csv(facts: Sequence[str], table: Table = ()) -> bytes:
    target = io.StringIO()
    csv.writer(target).writerows([*table, *([fact] for fact in facts)])
    return target.getvalue().encode()


def html(facts: Sequence[str], table: Table = ()) -> bytes:
    rows = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in table)
    words = "".join(f"<p>{fact}</p>" for fact in facts)
    return f"<!doctype html><title>Plan</title><h1>Plan</h1>{words}<table>{rows}</table>".encode()


def markdown(facts: Sequence[str], table: Table = ()) -> bytes:
    lines = ["| " + " | ".join(row) + " |" for row in table]
    if lines:
        lines.insert(1, "|" + "---|" * len(table[0]))
    return ("# Plan\n\n" + "\n\n".join(facts) + "\n\n" + "\n".join(lines) + "\n").encode()


def text(facts: Sequence[str], table: Table = ()) -> bytes:
    return ("\n\n".join(facts) + "\n\n" + "\n".join("  ".join(row) for row in table)).encode()


def eml(facts: Sequence[str], table: Table = ()) -> bytes:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "a@example.org", "b@example.org", "Plan"
    mail.set_content(text(facts, table).decode())
    return mail.as_bytes()


def rtf(facts: Sequence[str], table: Table = ()) -> bytes:
    lines = [*facts, *("  ".join(row) for row in table)]
    return ("{\\rtf1\\ansi " + "".join(f"{line}\\par\n" for line in lines) + "}").encode("ascii")


def odt(facts: Sequence[str], table: Table = ()) -> bytes:
    from odfdo import Document, Paragraph
    from odfdo import Table as OdfTable

    document = Document("text")
    document.body.clear()
    for fact in facts:
        document.body.append(Paragraph(fact))
    grid = OdfTable("Levels", width=len(table[0]), height=len(table))
    grid.set_values([list(row) for row in table])
    document.body.append(grid)
    return _saved(document)


FORMATS = {
    "plan.pdf": pdf,
    "plan.docx": docx,
    "plan.pptx": pptx,
    "plan.xlsx": xlsx,
    "plan.csv": table_csv,
    "plan.html": html,
    "plan.md": markdown,
    "plan.txt": text,
    "plan.eml": eml,
    "plan.rtf": rtf,
    "plan.odt": odt,
}
