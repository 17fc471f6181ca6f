"""What an index at Azure AI Search is made of: one text field a language, the vector, and whose each chunk is. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.text import slugify

# Microsoft's analyzers know stems and take German compounds apart; Lucene's serve where there is no such one.
ANALYZERS = {
    language: f"{language}.microsoft"
    for language in (
        "ar bg bn ca cs da de el en es et fi fr gu he hi hr hu id is it ja kn ko lt lv ml mr ms nl pa pl ro ru sk sl "
        "sv ta te th tr uk ur vi"
    ).split()
}
ANALYZERS |= {language: f"{language}.lucene" for language in ("eu", "fa", "ga", "gl", "hy")}
ANALYZERS |= {"no": "nb.microsoft", "pt": "pt-PT.microsoft", "zh": "zh-Hans.microsoft"}
# Each further field makes every search dearer: unless a version names its languages, these have one.
USUAL = "ar cs da de en es fi fr hi it ja ko nl no pl pt ru sv th tr uk zh".split()

OFF = {"searchable": False, "filterable": False, "sortable": False, "facetable": False}  # On, unless one says so.
ALIAS_LETTERS = 80  # The service takes 128, and our prefix is among them.
TEXT, VECTOR, SEMANTIC = "text", "vector", "meaning"


def text_fields(languages: Iterable[str]) -> dict[str, str]:
    """Field to analyzer; the first takes every text of another language.

    >>> text_fields(["de", "tlh"])
    {'text': 'standard.lucene', 'text_de': 'de.microsoft'}
    """
    chosen = {f"{TEXT}_{one}": ANALYZERS[one] for one in list(languages) or USUAL if one in ANALYZERS}
    return {TEXT: "standard.lucene"} | chosen


def alias_of(name: str) -> str:
    """An index's name as the service takes it; "" where nothing is left of it, or it is like those we give ourselves.

    >>> alias_of("House_- Rules!"), alias_of("図書館"), alias_of("Version 51")
    ('house-rules', '', '')
    """
    slug = re.sub(r"[-_]+", "-", slugify(name)).strip("-")
    return "" if re.fullmatch(r"(version|index)-\d+", slug) else slug[:ALIAS_LETTERS].rstrip("-")


def definition(name: str, dimensions: int, texts: Mapping[str, str]) -> dict[str, Any]:
    """An index as the service is told of it.

    Text is never to be filtered or sorted by: such a field takes 32 kB at most. Vectors are never given back, but
    stored, because a merge into an entry would lose them otherwise.
    """
    vector = {
        "type": "Collection(Edm.Single)",
        "searchable": True,
        "retrievable": False,
        "stored": True,
        "dimensions": dimensions,
        "vectorSearchProfile": "nearest",
    }
    return {
        "name": name,
        "fields": [
            {"name": "id", "type": "Edm.String"} | OFF | {"key": True, "filterable": True},
            {"name": "chunk_id", "type": "Edm.Int64"} | OFF | {"filterable": True, "sortable": True},
            {"name": "document_id", "type": "Edm.String"} | OFF | {"filterable": True},
            {"name": "collection_id", "type": "Edm.String"} | OFF | {"filterable": True},
            {"name": "generation", "type": "Edm.Int32"} | OFF | {"filterable": True},
            *(
                {"name": field, "type": "Edm.String"} | OFF | {"searchable": True, "analyzer": analyzer}
                for field, analyzer in texts.items()
            ),
            {"name": VECTOR} | OFF | vector,
        ],
        "vectorSearch": {
            "algorithms": [{"name": "graph", "kind": "hnsw", "hnswParameters": {"metric": "cosine"}}],
            "profiles": [{"name": "nearest", "algorithm": "graph"}],
        },
        "semantic": {
            "configurations": [
                {
                    "name": SEMANTIC,
                    "prioritizedFields": {"prioritizedContentFields": [{"fieldName": field} for field in texts]},
                }
            ]
        },
    }
