"""From a file to pages of text, with a way back to the place on the page. Knows no Django.

`kind_of` decides the format by content. `extract` reads a file in a limited child process; one module a format
does the reading.
"""

from documents.extraction.child import extract
from documents.extraction.kinds import kind_of
from documents.extraction.pages import ExtractedDocument, ExtractedFile, ExtractedPage, ExtractionError, Order

__all__ = ["ExtractedDocument", "ExtractedFile", "ExtractedPage", "ExtractionError", "Order", "extract", "kind_of"]
