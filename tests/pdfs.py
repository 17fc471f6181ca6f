"""PDFs written by hand, so that a test can say exactly what is in them."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

HELVETICA = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"


def stream(content: bytes, entries: bytes = b"") -> bytes:
    return b"<</Length %d%s>>\nstream\n%s\nendstream" % (len(content), entries, content)


def file(objects: Sequence[bytes], trailer: bytes = b"") -> bytes:
    """A PDF of these objects, numbered from 1; the first is the catalogue."""
    out, offsets = b"%PDF-1.7\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    end = b"trailer\n<</Size %d/Root 1 0 R%s>>\nstartxref\n%d\n%%%%EOF" % (size, trailer, len(out))
    return out + b"xref\n0 %d\n0000000000 65535 f \n" % size + table + end


def text(lines: Sequence[tuple[float, float, float, bytes]]) -> bytes:
    """Page content of lines: x, y, size, letters."""
    return b"".join(b"BT /F1 %f Tf %f %f Td (%s) Tj ET\n" % (size, x, y, letters) for x, y, size, letters in lines)


def files_inside(*files: tuple[bytes, bytes]) -> dict[str, Any]:
    """What a PDF with these files inside is made with beside its pages; they are given by name and packed content."""
    names, more = b"", []
    for at, (name, packed) in enumerate(files):
        names += b"(%03d) %d 0 R " % (at, 5 + 2 * at)
        more.append(b"<</Type/Filespec/F(%s)/UF(%s)/EF<</F %d 0 R>>>>" % (name, name, 6 + 2 * at))
        more.append(stream(packed, b"/Type/EmbeddedFile/Filter/FlateDecode"))
    return {"more": [b"<</Names[%s]>>" % names, *more], "catalogue": b"/Names<</EmbeddedFiles 4 0 R>>"}


def bomb() -> bytes:
    """Packed: a mebibyte of zeros, over and over."""
    packer = zlib.compressobj(9)
    first, more = (packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    return first + more * 900 + packer.flush()


def pdf(
    *pages: bytes,
    page: bytes = b"/MediaBox[0 0 400 600]",
    count: int | None = None,
    font: bytes = HELVETICA,
    more: Sequence[bytes] = (),
    catalogue: bytes = b"",
) -> bytes:
    """A PDF of these page contents; object 3 is the font, `more` begins at 4, each page is followed by its content."""
    first = 4 + len(more)
    kids = b" ".join(b"%d 0 R" % (first + 2 * number) for number in range(len(pages)))
    objects = [
        b"<</Type/Catalog/Pages 2 0 R%s>>" % catalogue,
        b"<</Type/Pages/Kids[%s]/Count %d>>" % (kids, len(pages) if count is None else count),
        font,
        *more,
    ]
    for number, content in enumerate(pages):
        resources = b"/Resources<</Font<</F1 3 0 R>>/XObject<</I1 4 0 R>>>>"
        place = b"/Contents %d 0 R" % (first + 2 * number + 1)
        objects += [b"<</Type/Page/Parent 2 0 R%s%s%s>>" % (page, resources, place), stream(content)]
    return file(objects)
