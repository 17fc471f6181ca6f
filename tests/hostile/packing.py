"""Archives and streams as no honest program writes them, made without ever unpacking them."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

PIECE = 1 << 20
STORED, DEFLATED, LZMA = 0, 8, 14
ENCRYPTED = 1


def flood(size: int, letters: bytes = b"\0") -> bytes:
    """About `size` bytes of these letters over and over, deflated, without a frame."""
    piece = letters * (PIECE // len(letters))
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(piece) + packer.flush(zlib.Z_FULL_FLUSH)
    return block * max(1, size // len(piece)) + b"\x03\x00"


def framed(size: int, letters: bytes = b"\0") -> bytes:
    """The same in zlib's frame, as a PDF holds it; its checksum is wrong, which readers forgive."""
    return b"\x78\xda" + flood(size, letters) + b"\0\0\0\0"


@dataclass(frozen=True)
class Entry:
    """A file in an archive. What the archive says of it need not be true."""

    name: str
    packed: bytes
    size: int  # unpacked
    crc: int
    method: int = DEFLATED
    flags: int = 0
    remark: bytes = b""  # in the directory alone


def entry(name: str, data: bytes, *, flags: int = 0) -> Entry:
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    return Entry(name, packer.compress(data) + packer.flush(), len(data), zlib.crc32(data), flags=flags)


def flooded(name: str, size: int, letters: bytes, before: bytes = b"", after: bytes = b"") -> Entry:
    """A file that is small in its archive: `before`, then the letters over and over, then `after`."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    head = packer.compress(before) + packer.flush(zlib.Z_FULL_FLUSH)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    tail = packer.compress(after) + packer.flush()
    piece = letters * (PIECE // len(letters))
    count = max(1, size // len(piece))
    crc = zlib.crc32(before)
    for _ in range(count):
        crc = zlib.crc32(piece, crc)
    length = len(before) + count * len(piece) + len(after)
    return Entry(name, head + flood(size, letters)[:-2] + tail, length, zlib.crc32(after, crc))


def archive(entries: Iterable[Entry], *, directory_size: int | None = None) -> bytes:
    """A zip file, whose end may tell a wrong size of its directory."""
    body, directory, count = bytearray(), bytearray(), 0
    for each in entries:
        count += 1
        name = each.name.encode()
        common = struct.pack(
            "<HHHIIIIHH", 20, each.flags, each.method, 0x21, each.crc, len(each.packed), each.size, len(name), 0
        )
        more = struct.pack("<HHHII", len(each.remark), 0, 0, 0, len(body)) + name + each.remark
        directory += b"PK\x01\x02\x14\x00" + common + more
        body += b"PK\x03\x04" + common + name + each.packed
    size = len(directory) if directory_size is None else directory_size
    counts = min(count, 0xFFFF)
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, counts, counts, size, len(body), 0)
    return bytes(body + directory) + end


def parts(packed: bytes) -> dict[str, bytes]:
    """What an archive holds, by name."""
    with zipfile.ZipFile(io.BytesIO(packed)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def repacked(files: dict[str, bytes]) -> bytes:
    return archive(entry(name, data) for name, data in files.items())
