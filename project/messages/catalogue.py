"""A catalogue as text that people edit (`.po`) and as the bytes that gettext reads (`.mo`)."""

from __future__ import annotations

import ast
import re
import struct
from collections.abc import Iterable, Mapping

Original = tuple[str, str]  # the sentence, and its plural or ""
Translations = tuple[str, ...]  # one, or one for each plural form

LINE = re.compile(r'(?:(msgid_plural|msgid|msgstr)(?:\[(\d)\])? )?(".*")')
HEADER: Original = ("", "")


def read(po: str) -> dict[Original, Translations]:
    """
    >>> read('msgid "page"\\nmsgid_plural "pages"\\nmsgstr[0] "Seite"\\nmsgstr[1] "Seiten"\\n')
    {('page', 'pages'): ('Seite', 'Seiten')}
    """
    entries: dict[Original, Translations] = {}
    for block in re.split(r"\n\s*\n", po):
        fields: dict[str, str] = {}
        key = ""
        for line in block.splitlines():
            if line.startswith("#, ") and "fuzzy" in line:
                raise ValueError(f"A translation is marked as fuzzy: {block}")
            if match := LINE.fullmatch(line.strip()):
                key = f"{match[1]}{match[2] or ''}" if match[1] else key
                fields[key] = fields.get(key, "") + ast.literal_eval(match[3])
        if "msgid" in fields:
            said = tuple(text for name, text in sorted(fields.items()) if name.startswith("msgstr"))
            entries[fields["msgid"], fields.get("msgid_plural", "")] = said
    return entries


def written(header: str, found: Mapping[Original, Iterable[str]], known: Mapping[Original, Translations]) -> str:
    """The catalogue of what was found, with the translations that are known; the others are left empty."""
    blocks = ['msgid ""\nmsgstr ""\n' + "\n".join(_quoted(line) for line in header.splitlines(keepends=True))]
    for (one, many), places in sorted(found.items(), key=lambda entry: (sorted(entry[1])[0], entry[0])):
        lines = [f"#: {place}" for place in sorted(set(places))] + [f"msgid {_quoted(one)}"]
        said = known.get((one, many), ("", "") if many else ("",))
        if many:
            lines += [f"msgid_plural {_quoted(many)}", *(f"msgstr[{n}] {_quoted(each)}" for n, each in enumerate(said))]
        else:
            lines.append(f"msgstr {_quoted(said[0])}")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def compiled(entries: Mapping[Original, Translations]) -> bytes:
    """The same as gettext's msgfmt makes; what is not translated is left out."""
    pairs = sorted(
        ("\0".join(filter(None, original)).encode(), "\0".join(said).encode())
        for original, said in entries.items()
        if all(said)
    )
    count = len(pairs)
    texts = [one for one, _ in pairs] + [said for _, said in pairs]
    offset, table, data = 28 + 16 * count, b"", b""
    for text in texts:
        table += struct.pack("<2I", len(text), offset + len(data))
        data += text + b"\0"
    return struct.pack("<7I", 0x950412DE, 0, count, 28, 28 + 8 * count, 0, 28 + 16 * count) + table + data


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
