"""The library's rows: indexes, collections, documents, their pages and chunks, and who may see them."""

from documents.models.checks import ConsistencyCheck
from documents.models.collections import Collection, CollectionQuerySet, Membership, Person
from documents.models.documents import (
    CUT_OFF,
    DEAD,
    FINDABLE,
    LEFT_AFTER,
    UNDER_WAY,
    Attempt,
    Document,
    DocumentQuerySet,
    LeaseLost,
    State,
    display_name,
)
from documents.models.evaluation import EvaluationCase, EvaluationRun, EvaluationSet
from documents.models.events import DocumentEvent
from documents.models.exclusions import Exclusion
from documents.models.indexes import EmbeddingCache, Index, IndexVersion, VersionComparison
from documents.models.pages import Chunk, Holding, Page, page_url
from documents.models.store_files import FileBatch, StoreFile, status_of
from documents.models.stores import RemoteFile, VectorStore
from documents.models.uploads import Upload

__all__ = [
    "CUT_OFF",
    "DEAD",
    "FINDABLE",
    "LEFT_AFTER",
    "UNDER_WAY",
    "Attempt",
    "Chunk",
    "Collection",
    "CollectionQuerySet",
    "ConsistencyCheck",
    "Document",
    "DocumentEvent",
    "DocumentQuerySet",
    "EmbeddingCache",
    "EvaluationCase",
    "EvaluationRun",
    "EvaluationSet",
    "Exclusion",
    "FileBatch",
    "Holding",
    "Index",
    "IndexVersion",
    "LeaseLost",
    "Membership",
    "Page",
    "Person",
    "RemoteFile",
    "State",
    "StoreFile",
    "Upload",
    "VectorStore",
    "VersionComparison",
    "display_name",
    "page_url",
    "status_of",
]
