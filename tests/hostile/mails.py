"""Mails that hold more than a mail can, and rich text that goes on and on."""

from __future__ import annotations

import base64

from tests.hostile.office import docx_bomb, xlsx_far_cell

HEAD = "From: Mallory <mallory@example.org>\r\nTo: alice@example.org\r\nSubject: {}\r\nMIME-Version: 1.0\r\n"


def mail(subject: str, kind: str, body: str, *more: str) -> bytes:
    headers = HEAD.format(subject) + "".join(f"{line}\r\n" for line in (f"Content-Type: {kind}", *more))
    return f"{headers}\r\n{body}".encode()


def attached(name: str, data: bytes) -> str:
    packed = base64.encodebytes(data).decode().replace("\n", "\r\n")
    disposition = f'Content-Disposition: attachment; filename="{name}"'
    return (
        f"Content-Type: application/octet-stream\r\n{disposition}\r\nContent-Transfer-Encoding: base64\r\n\r\n{packed}"
    )


def mixed(subject: str, *parts: str) -> bytes:
    body = "".join(f"--edge\r\n{part}\r\n" for part in parts)
    return mail(subject, 'multipart/mixed; boundary="edge"', f"{body}--edge--\r\n")


def plain(words: str) -> str:
    return f"Content-Type: text/plain\r\n\r\n{words}\r\n"


def mail_in_mail(depth: int = 100) -> bytes:
    """A mail that was forwarded a hundred times, each time whole."""
    inner = mail("The first", "text/plain", "It began with a letter.").decode()
    for number in range(depth):
        inner = mail(f"Forward {number}", "message/rfc822", inner).decode()
    return inner.encode()


def mail_attached_to_mail(depth: int = 30) -> bytes:
    """The same as attached files, each a document of its own."""
    inner = mail("The first", "text/plain", "It began with a letter that was attached.").decode()
    for number in range(depth):
        part = f'Content-Type: application/octet-stream\r\nContent-Disposition: attachment; filename="{number}.eml"'
        body = f"--edge{number}\r\n{part}\r\n\r\n{inner}\r\n--edge{number}--\r\n"
        inner = mail(f"Attached {number}", f'multipart/mixed; boundary="edge{number}"', body).decode()
    return inner.encode()


def parts(count: int = 10_000) -> bytes:
    return mixed("Many parts", *(plain(f"Part {number}.") for number in range(count)))


def parts_in_parts(depth: int = 3_000) -> bytes:
    opened = "".join(f"--edge{n}\r\nContent-Type: multipart/mixed; boundary=edge{n + 1}\r\n\r\n" for n in range(depth))
    return mail("Parts in parts", "multipart/mixed; boundary=edge0", opened + f"--edge{depth}\r\n{plain('Here.')}")


def unclosed() -> bytes:
    return mail("Never closed", "multipart/mixed; boundary=edge", f"--edge\r\n{plain('The end is missing.')}")


def long_header(size: int = 10_000_000) -> bytes:
    return mail("x" * size, "text/plain", "The subject is long.", "X-Long: " + "y " * (size // 2))


def long_words(count: int = 100_000) -> bytes:
    """A subject of encoded words, and a parameter in a hundred thousand pieces."""
    pieces = "".join(f";\r\n name*{n}=a" for n in range(count))
    return mail("=?utf-8?q?a?= " * count, f"text/plain{pieces}", "The names are long.")


def charset(name: str) -> bytes:
    return mail(f"In {name}", f"text/plain; charset={name}", f"The letters are said to be {name}.")


def odd_names() -> bytes:
    names = (
        "../../../../tmp/x.txt",
        "CON",
        "..",
        "a\u202etxt.exe",
        "/etc/passwd",
        "C:\\autoexec.bat",
        "x" * 400 + ".txt",
    )
    files = (attached(name, f"What is in {number}.".encode()) for number, name in enumerate(names))
    return mixed("Odd names", plain("Look at the names."), *files)


def bomb_attached() -> bytes:
    return mixed("A bomb", plain("Something small is attached."), attached("small.docx", docx_bomb()))


def sheets_attached() -> bytes:
    return mixed("A sheet", plain("A sheet is attached."), attached("far.xlsx", xlsx_far_cell()))


def reaching_out(outside: str) -> bytes:
    page = f'<img src="{outside}/pixel.gif"><link rel=stylesheet href="{outside}/style.css"><p>The words of the mail.'
    away = f'message/external-body; access-type=URL; URL="{outside}/body"'
    elsewhere = f"Content-Type: {away}\r\n\r\nContent-Type: text/plain\r\n"
    return mixed("From elsewhere", f"Content-Type: text/html\r\n\r\n{page}", elsewhere)


# Rich text -----------------------------------------------------------------------------------------------------------
def rtf(body: bytes) -> bytes:
    return rb"{\rtf1\ansi\deff0{\fonttbl{\f0 Times;}}\pard The deed is signed.\par " + body + b"}"


def rtf_groups(depth: int = 100_000) -> bytes:
    return rtf(b"{" * depth + b"deep down" + b"}" * depth)


def rtf_binary() -> bytes:
    return rtf(rb"\bin2147483647 and what stands behind it")


def rtf_object(outside: str) -> bytes:
    link = rf"{{\field{{\*\fldinst INCLUDEPICTURE {outside}/image.png}}{{\fldrslt shown}}}}".encode()
    template = rf"{{\*\template {outside}/template.dot}}".encode()
    return rtf(
        template
        + rb"{\object\objautlink\objupdate{\*\objdata "
        + b"01050000" * 200_000
        + rb"}{\result An object.}}"
        + link
    )


def rtf_numbers() -> bytes:
    """Numbers that no word should have, and sets of letters that there are not."""
    return rtf(rb"\ansicpg99999\f999999999\u-2147483648?\u9999999999?\uc999999999 x\'zz\ls-1\s2147483647\par " * 2_000)
