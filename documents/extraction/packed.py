"""What the office formats made of a zip archive share: a checked directory, and parts that are parsed without trust."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from lxml import etree

from documents.extraction.kinds import DAMAGE, check_archive
from documents.extraction.pages import damaged

PIECE = 1 << 20  # bytes
PARSED = (".xml", ".rels")
_DECLARATIONS = (b"<!DOCTYPE", b"<!ENTITY")
_LONGEST = max(map(len, _DECLARATIONS))
_WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff")
_EBCDIC = b"\x4c\x6f\xa7\x94"  # "<?xm" in a set of letters whose declarations would look otherwise
# No entity is replaced, nothing is fetched, and nothing may be nested or long without end.
_STRICT: dict[str, Any] = {
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "huge_tree": False,
    "remove_comments": True,
    "remove_pis": True,
}


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """The archive, once its directory and the parts in it are found harmless; what breaks on the way is damage."""
    try:
        with zipfile.ZipFile(path) as archive:
            check_archive(archive)
            for entry in archive.infolist():
                if not entry.filename.endswith(PARSED) or entry.filename.startswith("META-INF/"):
                    continue  # Nobody parses it: a picture, a printer's settings, a list of the parts.
                with archive.open(entry) as part:
                    _refuse_declarations(part)
            yield archive
    except (*DAMAGE, etree.LxmlError, KeyError) as exc:
        if isinstance(exc, etree.XMLSyntaxError) and exc.code == etree.ErrorTypes.ERR_NO_MEMORY:
            raise MemoryError from exc
        raise damaged() from exc


def parse(archive: zipfile.ZipFile, name: str) -> Any:
    """The root of a part's XML; KeyError when there is no such part."""
    return parsed(archive.read(name))


def parsed(data: bytes) -> Any:
    return etree.fromstring(data, etree.XMLParser(**_STRICT))


def elements(part: IO[bytes], *tags: str) -> Iterator[Any]:
    """The elements of these tags as they end, each forgotten after its turn, with all that stands before it."""
    for _, element in etree.iterparse(part, events=("end",), tag=tags, **_STRICT):
        yield element
        element.clear()
        parent = element.getparent()
        while parent is not None and element.getprevious() is not None:
            del parent[0]


def _refuse_declarations(part: IO[bytes]) -> None:
    """No part may declare a document type: it could name entities that grow without end or lie elsewhere."""
    piece = part.read(4_096)
    is_wide = piece.startswith(_WIDE_MARKS) or b"\x00" in piece[:4]
    if piece.startswith(_EBCDIC):
        raise damaged("A part of the file is written in letters that no office program uses; it was not read.")
    rest = b""
    while piece:
        text = rest + (piece.replace(b"\x00", b"") if is_wide else piece)
        if any(declaration in text for declaration in _DECLARATIONS):
            raise damaged("The file declares entities, which no office file needs; it was not read.")
        rest, piece = text[-_LONGEST:], part.read(PIECE)
