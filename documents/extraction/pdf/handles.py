"""PDFium's functions and handles without what is convenient about them, for what is asked for hundreds of times a page.

ctypes takes longer to turn an argument into a pointer than PDFium to answer, and pypdfium2 keeps notes of what is open,
which whoever closes all that he opens does without.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import pypdfium2 as pdfium
from pypdfium2 import raw

NUMBER, POINTER = ctypes.c_int, ctypes.c_void_p
pointer = POINTER.from_param  # An address as an argument: without it, ctypes passes a number on as a small one.


def plain(function: Any, result: Any, *arguments: Any) -> Callable[..., Any]:
    """The function, which turns no argument into what it wants where none are named."""
    return ctypes.PYFUNCTYPE(result, *arguments)(ctypes.cast(function, POINTER).value or 0)


def address(handle: Any) -> int:
    return ctypes.cast(handle, POINTER).value or 0


class OpenPage(pdfium.PdfPage):
    """A page that is there until it is closed. Raises PdfiumError when it cannot be opened."""

    def __init__(self, pdf: pdfium.PdfDocument, number: int) -> None:
        self.raw, self.pdf, self.formenv = raw.FPDF_LoadPage(pdf.raw, number), pdf, pdf.formenv
        if not self.raw:
            raise pdfium.PdfiumError("a page that does not open")
        if self.formenv:
            raw.FORM_OnAfterLoadPage(self.raw, self.formenv)

    def close(self) -> None:
        self._close_impl(self.raw, self.formenv)


class OpenText(pdfium.PdfTextPage):
    """A page's text, to be closed before the page is. Raises PdfiumError when there is none to be had."""

    def __init__(self, page: pdfium.PdfPage) -> None:
        self.raw, self.page = raw.FPDFText_LoadPage(page.raw), page
        if not self.raw:
            raise pdfium.PdfiumError("a page whose text does not open")

    def close(self) -> None:
        raw.FPDFText_ClosePage(self.raw)
