"""Numbers of a document's tables, computed exactly, each with the cells it rests on. docs/tools.md tells how."""

from documents.tables.computing import CannotCompute, Joined, Line, Plan, Result, compute
from documents.tables.reading import Cell, TableTooLong, WholeTable, tables_of

__all__ = [
    "CannotCompute",
    "Cell",
    "Joined",
    "Line",
    "Plan",
    "Result",
    "TableTooLong",
    "WholeTable",
    "compute",
    "tables_of",
]
