"""Texts, sheets as text, web pages and notes without measure, and letters that are none."""

from __future__ import annotations

import base64


# Plain text ----------------------------------------------------------------------------------------------------------
def one_line(size: int = 30_000_000) -> bytes:
    return b"endless " * (size // 8)


def one_word(size: int = 5_000_000) -> bytes:
    """Not one blank in five million letters."""
    return b"abcdefgh" * (size // 8)


def nuls() -> bytes:
    return b"The well is dry.\n" * 50 + b"\0" + b"\0 The pump is not." * 4


def halves() -> bytes:
    """Halves of characters, written as if UTF-8 had them (WTF-8)."""
    return b"A half \xed\xa0\x80 and another \xed\xb0\x80 stand in the text about the mill.\n" * 20


def mark_in_the_middle() -> bytes:
    return "The ferry\ufeff goes at\ufeff noon.\n\ufeff".encode() * 30


def turned() -> bytes:
    """Words that are shown in another order than they are written."""
    return "The total is \u202e000,1\u202c euros, and \u2066not\u2069 more.\n".encode() * 20


def marks(count: int = 500_000) -> bytes:
    """One letter under a million marks, which must be put in order to be compared."""
    return ("o" + "\u0301\u0316" * count + " is a letter.").encode()


def odd_wide() -> bytes:
    return "The lighthouse keeps its hours.\n".encode("utf-16") * 1 + b"x"


def seven_bits() -> bytes:
    return "Der Müller grüßt: +ADw-script+AD4-alert(1)+ADw-/script+AD4- und geht.\n".encode("utf-7") * 5


def zero_width() -> bytes:
    """Ten thousand letters, and nothing to see."""
    return "\u200b\u200c\u200d\u2060\ufeff".encode() * 2_000


def special_tokens() -> bytes:
    return b"The archive ends with <|endoftext|> and begins with <|fim_prefix|>, says the manual of 1999.\n"


def odd_lines() -> bytes:
    """Every sign that some program takes for the end of a line."""
    ends = ("\r\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\r\n")
    return "".join(
        f"The ferry to island {n} goes when the tide lets it.{end}" for n, end in enumerate(ends * 2)
    ).encode()


# Tables as text ------------------------------------------------------------------------------------------------------
def csv_one_line(size: int = 50_000_000) -> bytes:
    return b"cell " * (size // 5)


def csv_columns(count: int = 100_000, rows: int = 4) -> bytes:
    return "\n".join(",".join(f"{n}x{column}" for column in range(count)) for n in range(rows)).encode()


def csv_nuls() -> bytes:
    return b"name,depth\nwell \0one,\0 12\n" + b"well two,14\n" * 20


def csv_unclosed(rows: int = 100_000) -> bytes:
    return b'name,depth\n"well one,12\n' + b"well two,14\n" * rows


def csv_marks(count: int = 2_000_000) -> bytes:
    return b'"' * (2 * count + 1)


def csv_formulas() -> bytes:
    return b"name,depth\n=cmd|' /C calc'!A0,12\n@SUM(1+1),-2+3\n"


# Web pages -----------------------------------------------------------------------------------------------------------
def html(body: str) -> bytes:
    return f"<!doctype html><title>Page</title><body>{body}".encode()


def nested(tag: str, depth: int) -> bytes:
    return html(f"<{tag}>" * depth + "At the bottom.")


def tables(depth: int = 3_000) -> bytes:
    return html("<table><tr><td>" * depth + "In the innermost cell.")


def attributes(count: int = 1_000_000) -> bytes:
    return html("<p " + " ".join(f"a{n}=1" for n in range(count)) + ">An element with many names.")


def formatting(count: int = 800) -> bytes:
    """Open letters' styles, which a browser opens again in each paragraph."""
    return html("".join(f"<font a{n}=1>" for n in range(count)) + "<p>again" * count)


def comment(size: int = 10_000_000) -> bytes:
    return html("Before it." + "<!-- " + "- " * (size // 2))


def script(size: int = 5_000_000) -> bytes:
    return html("Before it.<script>" + "<!--<script>" * (size // 12))


def entities(count: int = 1_000_000) -> bytes:
    return html("&amp" * count + "&NotAnEntityAtAll" * 10_000 + "&#x110000;&#0;&#xd800; and so on.")


def spans() -> bytes:
    """Cells that reach over more columns and rows than there are."""
    wide = '<td colspan="99999" rowspan="99999">wide</td>'
    return html("<table>" + f"<tr>{wide * 20}</tr>" * 60 + "</table><p>Below the table.")


def reaching_out(outside: str) -> bytes:
    return html(
        f'<meta http-equiv="refresh" content="0;url={outside}/refresh"><base href="{outside}/">'
        f'<link rel="stylesheet" href="{outside}/style.css"><link rel="prefetch" href="{outside}/next">'
        f'<script src="{outside}/script.js"></script><img src="{outside}/image.png" srcset="{outside}/2x.png 2x">'
        f'<iframe src="{outside}/frame"></iframe><object data="{outside}/object"></object><embed src="{outside}/embed">'
        f'<video src="{outside}/film" poster="{outside}/poster"></video><a href="javascript:alert(1)">A link</a>'
        f'<a href="{outside}/link" ping="{outside}/ping">that leads elsewhere</a>'
        f'<svg><image href="{outside}/svg"/><use href="{outside}/use#x"/></svg><p>The words are here.'
        f"<style>@import url({outside}/import.css); p {{ background: url({outside}/ground.png) }}</style>"
    )


def picture(size: int = 20_000_000) -> bytes:
    data = base64.b64encode(bytes(size * 3 // 4)).decode()
    return html(f'<p>A picture in the page: <img src="data:image/png;base64,{data}"> and words behind it.')


# Notes (Markdown) ----------------------------------------------------------------------------------------------------
def brackets(count: int = 100_000) -> bytes:
    return b"# Brackets\n\n" + b"[" * count + b"a" + b"](b)" * 1_000


def quotes(count: int = 100_000) -> bytes:
    return b"# Quotes\n\n" + b">" * count + b" a word\n"


def emphasis(count: int = 30_000) -> bytes:
    return b"# Emphasis\n\n" + b"*a **a " * (count // 2) + b"_a __a " * (count // 2)


def lists(depth: int = 1_000) -> bytes:
    return b"# Lists\n\n" + b"".join(b"  " * n + b"- a\n" for n in range(depth))


def ticks(count: int = 5_000) -> bytes:
    return b"# Ticks\n\n" + b" ".join(b"`" * n for n in range(1, count // 2))


def references(count: int = 20_000) -> bytes:
    """Links by name, all to one name that is long."""
    return b"# Links\n\n" + b"[a]: /" + b"x" * 5_000 + b"\n\n" + b"[a] ![a] " * count


def bars(columns: int = 1_500, rows: int = 1_500) -> bytes:
    """A table of as many columns as rows, of which only the header is written out."""
    header = b"|" + b"a|" * columns + b"\n|" + b"-|" * columns + b"\n"
    return b"# Bars\n\n" + header + b"|b\n" * rows
