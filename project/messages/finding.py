"""What of the source is said to people: marked sentences, and those that are kept in English."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator
from pathlib import Path

from django.utils.translation.template import templatize

from project.messages.catalogue import Original

MARKS = {"gettext", "gettext_lazy", "gettext_noop", "_"}
PLURAL_MARKS = {"ngettext", "ngettext_lazy"}
IN_A_TEMPLATE = re.compile(r"\b(?:(ngettext)|gettext|_)\(")
LITERAL = re.compile(r"""\s*,?\s*u?('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")""")

# A sentence: it begins like one and ends like one, with a gap between words.
SENTENCE = re.compile(r"[A-Z“{].* .*[.!?]”?", re.DOTALL)
# A piece of one: it has words of its own, beside its gaps.
FRAGMENT = re.compile(r"(?=.*[A-Z]|.* ).*[a-z]{3}", re.DOTALL)
# Whose every word is kept or told: calls of these, and functions of these names.
SAYS = {"Status", "Probe", "Finding"}
SAYING = {"_how", "whose", "_name", "turns_told"}
# What is said to others: to programs, to the operator's terminal, to a model, to the log.
NOT_FOR_PAGES = re.compile(
    r"/(management|migrations|local|messages|verification|evaluation|samples|tables|api|openai_api|rewriting|on_your_data"
    r"|mcp)/"
    r"|/([a-z]+_api|api|checks|settings|environment|schemas|completions|prompts|toolbox|own|structured|parameters"
    r"|summaries|data_sources|admin|synonyms|phrases|explaining|consistency|versions|catalogue|templates|suggesting|odata)\.py$"
)
NOT_SAID = {
    "ImproperlyConfigured",
    "CommandError",
    "LocalError",
    "Field",
    "ApiError",
    "ToolError",
    "reverse",
    "compile",
}
LOG = {"debug", "info", "warning", "exception", "critical"}
NOT_SHOWN = {"help_text", "help", "description", "hint"}


def found(root: Path) -> dict[Original, list[str]]:
    """What must be translated, and in which files it stands."""
    places: dict[Original, list[str]] = {}
    for path in sorted([*root.glob("templates/**/*.html"), *root.glob("templates/**/*.txt")]):
        for original in in_template(path.read_text()):
            places.setdefault(original, []).append(path.relative_to(root).as_posix())
    for app in ("project", "documents", "chat"):
        for path in sorted((root / app).rglob("*.py")):
            place = path.relative_to(root).as_posix()
            tree = ast.parse(path.read_text())
            kept = () if NOT_FOR_PAGES.search(f"/{place}") else in_sentences(tree)
            for original in [*in_module(tree), *kept]:
                places.setdefault(original, []).append(place)
    return places


def in_template(text: str) -> Iterator[Original]:
    """
    >>> list(in_template('{% translate "Ask" %} {% blocktranslate with n=m %}{{ n }} pages{% endblocktranslate %}'))
    [('Ask', ''), ('%(n)s pages', '')]
    """
    marked = templatize(text)
    for mark in IN_A_TEMPLATE.finditer(marked):
        one = LITERAL.match(marked, mark.end())
        many = LITERAL.match(marked, one.end()) if one and mark[1] else None
        if one:
            yield ast.literal_eval(one[1]), ast.literal_eval(many[1]) if many else ""


def in_module(tree: ast.AST) -> Iterator[Original]:
    """What the calls of gettext hold."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        texts = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
        name = _name(node.func)
        if name in MARKS and texts:
            yield texts[0], ""
        elif name in PLURAL_MARKS and len(texts) == 2:
            yield texts[0], texts[1]


def in_sentences(tree: ast.AST) -> Iterator[Original]:
    """Sentences with gaps for their values, as {1}, {2} …

    >>> list(in_sentences(ast.parse('reason = f"The file is larger than {limit:,} MB."')))
    [('The file is larger than {1} MB.', '')]
    """
    for node in _said(tree):
        if (text := _with_gaps(node)) and SENTENCE.fullmatch(text):
            yield text, ""
    for whole in ast.walk(tree):
        if isinstance(whole, ast.Call) and _name(whole.func) in SAYS:
            parts: list[ast.AST] = list(whole.args)
        elif isinstance(whole, ast.FunctionDef) and whole.name in SAYING:
            parts = [each for each in whole.body if not isinstance(each, ast.Expr)]
        else:
            continue
        yield from ((text, "") for part in parts for each in _said(part) if FRAGMENT.match(text := _with_gaps(each)))


def _said(node: ast.AST) -> Iterator[ast.Constant | ast.JoinedStr]:
    """The literals below a node; none of a docstring, of a call that says nothing to a person, of a mark."""
    if isinstance(node, ast.Constant | ast.JoinedStr):
        yield node
        if isinstance(node, ast.Constant):
            return
        for value in node.values:
            if isinstance(value, ast.FormattedValue):
                yield from _said(value.value)
        return
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    if isinstance(node, ast.Call) and _name(node.func) in NOT_SAID | LOG | MARKS | PLURAL_MARKS:
        return
    if isinstance(node, ast.keyword) and node.arg in NOT_SHOWN:
        return
    for child in ast.iter_child_nodes(node):
        yield from _said(child)


def _with_gaps(node: ast.Constant | ast.JoinedStr) -> str:
    if isinstance(node, ast.Constant):
        return _numbered(node.value) if isinstance(node.value, str) else ""
    parts, gaps = [], 0
    for value in node.values:
        if isinstance(value, ast.Constant):
            parts.append(str(value.value))
        else:
            gaps += 1
            parts.append(f"{{{gaps}}}")
    return "".join(parts)


def _numbered(text: str) -> str:
    """A text for `str.format` with its gaps by number.

    >>> _numbered("Sheet “{}” has more than {:,} rows.")
    'Sheet “{1}” has more than {2} rows.'
    """
    try:
        pieces = list(string.Formatter().parse(text))
    except ValueError:
        return ""
    gaps = [n for n, (_, field, _, _) in enumerate(pieces) if field is not None]
    return "".join(words + (f"{{{gaps.index(n) + 1}}}" if n in gaps else "") for n, (words, *_) in enumerate(pieces))


def _name(func: ast.expr) -> str:
    return func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
