"""How Azure AI Search keeps, filters and ranks: what stands behind the wire in tests/fake_search.py."""

from __future__ import annotations

import math
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from functools import lru_cache

import numpy as np
import snowballstemmer

K1, B, RRF = 1.2, 0.75, 60
STOPS = {
    "en": set(
        "a an and are as at be but by for if in is it no not of on or that the their they this to was with".split()
    ),
    "de": set("der die das den dem des ein eine und oder ist im in wurde wurden wann".split()),
    "es": set("el la los las de del en y o es un una cuándo".split()),
}
STEMMERS = {"en": "english", "de": "german", "es": "spanish", "fr": "french", "ar": "arabic", "it": "italian"}
UNSPACED = re.compile("[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")


class Refused(Exception):
    def __init__(self, status: int, message: str, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"code": code, "message": message}}


# What it keeps -------------------------------------------------------------------------------------------------------
class StoredIndex:
    """An index as it was defined; `stored` is what it was told, `visible` what can be found of that by now."""

    def __init__(self, definition: dict) -> None:
        self.definition = definition
        self.fields = {one["name"]: one for one in definition["fields"]}
        keys = [name for name, facts in self.fields.items() if facts.get("key")]
        if len(keys) != 1:
            raise Refused(400, "An index has one key.")
        self.key = keys[0]
        self.stored: dict[str, dict] = {}
        self.visible: dict[str, dict] = {}
        self.coming: list[tuple[float, str]] = []
        self._tokens: dict[tuple[str, str], Counter] = {}
        vectors = self.definition.get("vectorSearch") or {}
        self.profiles = {one["name"] for one in vectors.get("profiles", [])}
        for name, facts in self.fields.items():
            self._check_field(name, facts)
        for one in (definition.get("semantic") or {}).get("configurations", []):
            for content in one["prioritizedFields"].get("prioritizedContentFields", []):
                facts = self.fields.get(content["fieldName"], {})
                if not (facts.get("searchable") and facts.get("retrievable", True)):
                    raise Refused(400, f"'{content['fieldName']}' cannot be ranked by meaning.")

    def _check_field(self, name: str, facts: dict) -> None:
        is_vector = facts["type"] == "Collection(Edm.Single)"
        if is_vector and (
            not 2 <= facts["dimensions"] <= 4096 or facts.get("vectorSearchProfile") not in self.profiles
        ):
            raise Refused(400, f"'{name}' is no vector field.")
        if facts.get("analyzer") and not facts.get("searchable"):
            raise Refused(400, f"'{name}' has an analyzer and is not searchable.")

    def is_(self, name: str, attribute: str) -> bool:
        """Raw JSON switches attributes on that it does not name."""
        return bool(self.fields[name].get(attribute, True)) if name in self.fields else False

    def check(self, entry: dict) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_=-]{1,1024}", str(entry.get(self.key) or "")):
            raise Refused(400, f"'{entry.get(self.key)}' is no key.")
        for name, value in entry.items():
            if name not in self.fields:
                raise Refused(400, f"The property '{name}' does not exist on the index.", "InvalidRequestParameter")
            facts = self.fields[name]
            if facts["type"] == "Collection(Edm.Single)" and len(value) != facts["dimensions"]:
                raise Refused(400, f"The vector '{name}' has {len(value)} numbers, not {facts['dimensions']}.")
            is_term = facts["type"] == "Edm.String" and (self.is_(name, "filterable") or self.is_(name, "sortable"))
            if is_term and len(value.encode()) > 32_766:
                raise Refused(400, f"'{name}' is too long a term.")
            if facts["type"].startswith("Edm.Int") and not isinstance(value, int):
                raise Refused(400, f"'{name}' is no number.")

    def take(self, verb: str, entry: dict, due: float) -> int:
        key = entry[self.key]
        if verb == "merge" and key not in self.stored:
            return 404
        if verb == "delete":
            self.stored.pop(key, None)
        elif verb == "upload" or key not in self.stored:
            self.stored[key] = entry
        else:
            self.stored[key] = self.stored[key] | entry
        self.coming.append((due, key))
        self.show(time.monotonic())
        return 200

    def show(self, now: float) -> None:
        for key in {key for due, key in self.coming if due <= now}:
            if key in self.stored:
                self.visible[key] = self.stored[key]
            else:
                self.visible.pop(key, None)
        self.coming = [one for one in self.coming if one[0] > now]

    def tokens(self, entry: dict, name: str) -> Counter:
        return Counter(analysed(entry.get(name) or "", self.fields[name].get("analyzer") or "standard.lucene"))


@lru_cache(maxsize=20_000)
def analysed(text: str, analyzer: str) -> tuple[str, ...]:
    """Words in lower case, without the language's stop words and endings; of an unspaced script, pairs of letters."""
    language = analyzer.split(".")[0].split("-")[0]
    stem = _stemmer(language)
    words = []
    for word in re.findall(r"\w+", text.lower()):
        if run := UNSPACED.fullmatch(word):
            letters = run.group()
            is_known = language in {"zh", "ja", "ko", "th"}
            words += [letters[at : at + 2] for at in range(len(letters) - 1)] if is_known else list(letters)
        elif word not in STOPS.get(language, ()):
            words.append(stem(word))
    return tuple(words)


@lru_cache
def _stemmer(language: str) -> Callable[[str], str]:
    if language not in STEMMERS:
        return lambda word: word
    stemmer = snowballstemmer.stemmer(STEMMERS[language])
    lock = threading.Lock()

    def stem(word: str) -> str:
        with lock:
            return stemmer.stemWord(word)

    return stem


# Ranking -------------------------------------------------------------------------------------------------------------
class Ranking:
    """The answer to one search, before it is cut into pages."""

    def __init__(self, index: StoredIndex, body: dict, tells_scores: bool, has_reranker: bool) -> None:
        self.index, self.body, self.tells_scores = index, body, tells_scores
        self._check()
        where = body.get("filter")
        allowed = matching(index, where) if where else (lambda entry: True)
        self.entries = {key: entry for key, entry in index.visible.items() if allowed(entry)}
        asked = body.get("search") or ""
        self.words = self._by_words(asked) if asked not in ("", "*") or not body.get("vectorQueries") else {}
        self.vectors = [self._by_meaning(one) for one in body.get("vectorQueries", [])]
        legs = ([self.words] if asked not in ("", "*") else []) + self.vectors
        self.scores = self.words if not legs else legs[0] if len(legs) == 1 else _fused(legs)
        self.order = sorted(self.scores, key=lambda key: (-self.scores[key], key))
        self.reranked: dict[str, float] = {}
        self.captions: dict[str, str] = {}
        if body.get("queryType") == "semantic" and has_reranker:
            self._rerank(body.get("semanticQuery") or asked)
        if body.get("orderby"):
            name, _, way = body["orderby"].partition(" ")
            self.order = sorted(self.entries, key=lambda key: self.entries[key].get(name), reverse=way == "desc")
        first = body.get("skip", 0)
        page = self.order[first : first + min(body.get("top", 50), 1000)]
        self.page, wanted = page, body.get("top", len(self.order))
        self.left = len(self.order) > first + len(page) and wanted > len(page)

    def _check(self) -> None:
        body = self.body
        self._check_fields()
        self._check_semantic()
        if body.get("skip", 0) > 100_000 or body.get("top", 0) < 0:
            raise Refused(400, "Skip or top is out of range.")
        for one in body.get("vectorQueries", []):
            facts = self.index.fields.get(one["fields"], {})
            if len(one["vector"]) != facts.get("dimensions") or one.get("k", 50) < 1:
                raise Refused(400, f"The vector query does not fit the field '{one['fields']}'.")
        terms = len((body.get("search") or "").split()) * max(1, len(_names(body.get("searchFields"))))
        if terms > 5_000:
            raise Refused(400, "The query has too many clauses.")

    def _check_fields(self) -> None:
        body, index = self.body, self.index
        for name in _names(body.get("searchFields")):
            if not index.is_(name, "searchable") or index.fields[name]["type"] != "Edm.String":
                raise Refused(400, f"The field '{name}' is not searchable.")
        for name in _names(body.get("select")):
            if not index.is_(name, "retrievable"):
                raise Refused(400, f"The field '{name}' cannot be selected.")
        for name in _names(body.get("orderby")):
            if not index.is_(name.split()[0], "sortable") or body.get("queryType") == "semantic":
                raise Refused(400, f"It cannot be sorted by '{name}'.")

    def _check_semantic(self) -> None:
        if self.body.get("queryType") != "semantic":
            if self.body.get("captions"):
                raise Refused(400, "Captions need a semantic query.")
            return
        known = {one["name"] for one in (self.index.definition.get("semantic") or {}).get("configurations", [])}
        if self.body.get("semanticConfiguration") not in known:
            raise Refused(400, "There is no such semantic configuration.")
        if self.body.get("semanticMaxWaitInMilliseconds", 700) < 700:
            raise Refused(400, "semanticMaxWaitInMilliseconds is 700 at least.")

    def _by_words(self, asked: str) -> dict[str, float]:
        """The simple syntax: any word counts; `-word` stands for all that lack it, `word*` for what begins so."""
        if asked in ("", "*"):
            return dict.fromkeys(self.entries, 1.0)
        fields = _names(self.body.get("searchFields")) or [
            name
            for name, facts in self.index.fields.items()
            if facts.get("searchable") and facts["type"] == "Edm.String"
        ]
        scores: dict[str, float] = {}
        for name in fields:
            counts = {key: self.index.tokens(entry, name) for key, entry in self.index.visible.items() if name in entry}
            if not counts:
                continue
            lengths = {key: sum(count.values()) for key, count in counts.items()}
            mean = max(sum(lengths.values()) / len(lengths), 1e-9)
            for clause in re.findall(r'"[^"]*"|[^\s|()+"]+', asked):
                for key, score in self._clause(clause, name, counts, lengths, mean):
                    if key in self.entries:
                        scores[key] = scores.get(key, 0.0) + score
        best = sorted(scores, key=lambda key: (-scores[key], key))[:1000]
        return {key: scores[key] for key in best} if self.body.get("vectorQueries") else scores

    def _clause(self, clause: str, name: str, counts: dict, lengths: dict, mean: float) -> Iterable[tuple[str, float]]:
        analyzer = self.index.fields[name].get("analyzer") or "standard.lucene"
        terms = analysed(clause.strip('-*~"'), analyzer)
        if clause.startswith("-"):
            yield from ((key, 1.0) for key, count in counts.items() if terms and not any(one in count for one in terms))
            return
        for term in terms:
            is_start = clause.endswith("*")
            times = {
                key: sum(n for word, n in count.items() if word == term or (is_start and word.startswith(term)))
                for key, count in counts.items()
            }
            met = {key: n for key, n in times.items() if n}
            weight = math.log(1 + (len(counts) - len(met) + 0.5) / (len(met) + 0.5))
            for key, n in met.items():
                yield key, weight * n * (K1 + 1) / (n + K1 * (1 - B + B * lengths[key] / mean))

    def _by_meaning(self, asked: dict) -> dict[str, float]:
        held = {key: entry[asked["fields"]] for key, entry in self.entries.items() if entry.get(asked["fields"])}
        if not held:
            return {}
        rows = np.array(list(held.values()), np.float32)
        vector = np.array(asked["vector"], np.float32)
        cosines = rows @ vector / (np.linalg.norm(rows, axis=1) * np.linalg.norm(vector) + 1e-12)
        scores = {key: 1 / (2 - float(cosine)) for key, cosine in zip(held, cosines, strict=True)}
        return dict(sorted(scores.items(), key=lambda item: (-item[1], item[0]))[: asked.get("k", 50)])

    def _rerank(self, asked: str) -> None:
        """Of the first fifty: how many of the question's words they have, from 0 to 4."""
        words = set(analysed(asked, "en.microsoft"))
        for key in self.order[:50]:
            text = " ".join(
                str(self.entries[key].get(name) or "") for name in self.index.fields if name.startswith("text")
            )
            sentences = re.split(r"(?<=[.!?])\s+", text.strip())
            self.reranked[key] = 4 * len(words & set(analysed(text, "en.microsoft"))) / max(len(words), 1)
            self.captions[key] = max(sentences, key=lambda one: len(words & set(analysed(one, "en.microsoft"))))
        head = sorted(self.order[:50], key=lambda key: -self.reranked[key])
        self.order = head + self.order[50:]

    def rows(self) -> list[dict]:
        return [self._row(key) for key in self.page]

    def _row(self, key: str) -> dict:
        entry, names = self.entries[key], _names(self.body.get("select"))
        shown = names or [name for name in self.index.fields if self.index.is_(name, "retrievable")]
        row = {name: entry.get(name) for name in shown} | {"@search.score": self.scores.get(key, 1.0)}
        if self.body.get("queryType") == "semantic":
            row["@search.rerankerScore"] = self.reranked.get(key)
            if self.body.get("captions", "").startswith("extractive") and key in self.captions:
                row["@search.captions"] = [{"text": self.captions[key], "highlights": ""}]
        if self.tells_scores and self.body.get("debug") in ("vector", "all"):
            legs = [
                {one["fields"]: {"searchScore": leg[key], "vectorSimilarity": 2 - 1 / leg[key]}}
                for one, leg in zip(self.body.get("vectorQueries", []), self.vectors, strict=True)
                if key in leg
            ]
            text = {"searchScore": self.words[key]} if key in self.words else None
            row["@search.documentDebugInfo"] = {"vectors": {"subscores": {"text": text, "vectors": legs}}}
        return row


def _fused(legs: list[dict[str, float]]) -> dict[str, float]:
    scores: dict[str, float] = {}
    for leg in legs:
        for rank, key in enumerate(sorted(leg, key=lambda one: (-leg[one], one)), start=1):
            scores[key] = scores.get(key, 0.0) + 1 / (RRF + rank)
    return scores


def _names(listed: str | None) -> list[str]:
    return [name.strip() for name in (listed or "").split(",") if name.strip()]


# Filters -------------------------------------------------------------------------------------------------------------
WORD = re.compile(r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+(?:\.\d+)?)|(?P<name>[\w./]+)|(?P<mark>[(),]))")
COMPARE: dict[str, Callable] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "gt": lambda a, b: a is not None and a > b,
    "ge": lambda a, b: a is not None and a >= b,
    "lt": lambda a, b: a is not None and a < b,
    "le": lambda a, b: a is not None and a <= b,
}


def matching(index: StoredIndex, written: str) -> Callable[[dict], bool]:
    """An OData filter: eq, ne, gt, ge, lt, le, and, or, not, search.in, parentheses."""
    words: list[tuple[str, str]] = []
    at = 0
    while at < len(written.rstrip()):
        found = WORD.match(written, at)
        if not found:
            raise Refused(400, f"Invalid filter at {at}.")
        words.append((found.lastgroup or "", found.group(found.lastgroup or 0)))
        at = found.end()
    reader = _FilterReader(index, words)
    test = reader.either()
    if reader.words:
        raise Refused(400, f"Invalid filter: {reader.words[0][1]} is left over.")
    return test


class _FilterReader:
    def __init__(self, index: StoredIndex, words: list[tuple[str, str]]) -> None:
        self.index, self.words = index, words

    def next(self, *wanted: str) -> tuple[str, str]:
        if not self.words or (wanted and self.words[0][1] not in wanted):
            raise Refused(400, f"Invalid filter: {' or '.join(wanted) or 'a word'} is missing.")
        return self.words.pop(0)

    def comes(self, word: str) -> bool:
        return bool(self.words) and self.words[0] == ("name", word)

    def either(self) -> Callable[[dict], bool]:
        tests = [self.both()]
        while self.comes("or"):
            self.next()
            tests.append(self.both())
        return lambda entry: any(test(entry) for test in tests)

    def both(self) -> Callable[[dict], bool]:
        tests = [self.single()]
        while self.comes("and"):
            self.next()
            tests.append(self.single())
        return lambda entry: all(test(entry) for test in tests)

    def single(self) -> Callable[[dict], bool]:
        if self.comes("not"):
            self.next()
            test = self.single()
            return lambda entry: not test(entry)
        if self.words and self.words[0][1] == "(":
            self.next()
            test = self.either()
            self.next(")")
            return test
        if self.comes("search.in"):
            return self.one_of()
        name = self.field()
        compare = COMPARE[self.next(*COMPARE)[1]]
        value = self.value()
        return lambda entry: compare(entry.get(name), value)

    def one_of(self) -> Callable[[dict], bool]:
        self.next("search.in")
        self.next("(")
        name = self.field()
        self.next(",")
        listed = str(self.value())
        self.next(",")
        values = set(listed.split(str(self.value())))
        self.next(")")
        if self.index.fields[name]["type"] != "Edm.String":
            raise Refused(400, f"search.in takes strings, and '{name}' is none.")
        return lambda entry: entry.get(name) in values

    def field(self) -> str:
        kind, name = self.next()
        if kind != "name" or not self.index.is_(name, "filterable"):
            raise Refused(400, f"Invalid expression: '{name}' is not a filterable field.")
        return name

    def value(self) -> str | int | float:
        kind, written = self.next()
        if kind == "text":
            return written[1:-1].replace("''", "'")
        if kind == "number":
            return float(written) if "." in written else int(written)
        raise Refused(400, f"Invalid filter: {written} is no value.")
