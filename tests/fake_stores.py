"""Files and vector stores as a service keeps them, checked against the published schemas. No server of its own."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import HTTP
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any

import jsonschema

SPECS = json.loads((Path(__file__).parent / "specs" / "stores.json").read_text())


class Refusal(Exception):
    """What the service answers in place of what was asked for."""

    def __init__(self, status: int, message: str, faults: list[str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.faults = faults or []


@dataclass
class Stored:
    name: str
    content: bytes
    purpose: str
    expires_after: dict[str, str] = field(default_factory=dict)


@dataclass
class Attached:
    attributes: dict[str, Any]
    looks: int  # How often it is looked at until it is done.
    error: str = ""


class FakeStores:
    """`slow` looks pass until an attached file is done; names in `bad` fail with what stands there.

    `down` has the next calls answered with these statuses; 0 is an ordinary answer.
    """

    def __init__(self) -> None:
        self.files: dict[str, Stored] = {}
        self.stores: dict[str, dict[str, Attached]] = {}
        self.names: dict[str, str] = {}
        self.batches: dict[str, tuple[str, list[str]]] = {}
        self.slow = 0
        self.bad: dict[str, str] = {}
        self.down: list[int] = []
        self.odd: list[bytes] = []  # What is said to the next calls in place of an answer.
        self._numbers = count(1)

    def search(self, store_ids: list[str], query: str, most: int = 8) -> list[dict]:
        """What file_search would find, in the shape of its results: paragraphs that share words with the query."""
        asked = set(re.findall(r"\w{3,}", query.lower()))
        found = []
        for store in store_ids:
            for file_id, attached in self.stores[store].items():
                for text in re.split(r"\n\s*\n", self.files[file_id].content.decode()):
                    if shared := len(asked & set(re.findall(r"\w{3,}", text.lower()))):
                        told = {"file_id": file_id, "filename": self.files[file_id].name, "text": text}
                        found.append(told | {"score": shared / len(asked), "attributes": attached.attributes})
        return sorted(found, key=lambda one: -one["score"])[:most]

    def serve(
        self, way: str, method: str, path: str, query: dict, body: dict, form: tuple[str, bytes]
    ) -> dict[str, Any] | bytes:
        """The answer to a call; raises Refusal."""
        if self.odd:
            return self.odd.pop(0)
        if self.down and (status := self.down.pop(0)):
            raise Refusal(status, "not now")
        for verb, pattern, name in ROUTES:
            if verb == method and (found := re.fullmatch(pattern, path)):
                if name.startswith("upload"):
                    return self.upload(way, form)
                return getattr(self, name)(
                    way,
                    *found.groups(),
                    **({"body": body} if method == "POST" else {}),
                    **({"query": query} if name.startswith("list") else {}),
                )
        raise Refusal(404, "Resource not found")

    # Files ---------------------------------------------------------------------------------------------------------
    def upload(self, way: str, form: tuple[str, bytes]) -> dict:
        message = message_from_bytes(b"Content-Type: " + form[0].encode() + b"\r\n\r\n" + form[1], policy=HTTP)
        fields: dict[str, str] = {}
        name, content = "", b""
        for part in message.iter_parts():  # type: ignore[attr-defined]
            field_name = part.get_param("name", header="content-disposition")
            if field_name == "file":
                name = (part.get_filename() or "").replace("%22", '"')  # As a browser writes it.
                content = part.get_payload(decode=True) or b""
            else:
                fields[field_name] = part.get_payload(decode=True).decode().strip()
        body: dict[str, Any] = {key: value for key, value in fields.items() if "[" not in key} | {"file": name}
        lifetime = {key[14:-1]: value for key, value in fields.items() if key.startswith("expires_after[")}
        if lifetime:
            body["expires_after"] = {"anchor": lifetime.get("anchor"), "seconds": int(lifetime.get("seconds", 0))}
        _check("openai-v1", "CreateFileRequest", body)
        if way == "azure-v1" and body["purpose"] == "user_data":
            raise Refusal(400, "purpose user_data", ["Azure knows no purpose user_data"])
        key = f"file-{next(self._numbers)}"
        self.files[key] = Stored(name, content, body["purpose"], lifetime)
        return self.file(way, key)

    def file(self, way: str, key: str) -> dict:
        stored = self._stored(key)
        told = {"id": key, "object": "file", "bytes": len(stored.content), "created_at": 1, "filename": stored.name}
        return _told("OpenAIFile", told | {"purpose": stored.purpose, "status": "processed"})

    def remove_file(self, way: str, key: str) -> dict:
        self._stored(key)
        del self.files[key]
        for attached in self.stores.values():
            attached.pop(key, None)
        return _told("DeleteFileResponse", {"id": key, "object": "file", "deleted": True})

    def _stored(self, key: str) -> Stored:
        if key not in self.files:
            raise Refusal(404, f"No such File object: {key}")
        return self.files[key]

    # Stores --------------------------------------------------------------------------------------------------------
    def create_store(self, way: str, *, body: dict) -> dict:
        _check(way, "CreateVectorStoreRequest", body)
        key = f"vs_{next(self._numbers)}"
        self.stores[key], self.names[key] = {}, body.get("name", "")
        return self.store(way, key)

    def store(self, way: str, key: str) -> dict:
        attached = list(self._store(key).values())
        told: dict[str, Any] = {"id": key, "object": "vector_store", "created_at": 1, "name": self.names[key]}
        told |= {"usage_bytes": 0, "last_active_at": None, "metadata": {}, "file_counts": _counts(attached)}
        return _told("VectorStoreObject", told | {"status": "completed"})

    def remove_store(self, way: str, key: str) -> dict:
        self._store(key)
        del self.stores[key]
        return _told("DeleteVectorStoreResponse", {"id": key, "object": "vector_store.deleted", "deleted": True})

    def _store(self, key: str) -> dict[str, Attached]:
        if key not in self.stores:
            raise Refusal(404, f"No such vector store: {key}")
        return self.stores[key]

    def create_batch(self, way: str, store: str, *, body: dict) -> dict:
        _check(way, "CreateVectorStoreFileBatchRequest", body)
        rows = body.get("files") or [{"file_id": one, "attributes": body.get("attributes")} for one in body["file_ids"]]
        for row in rows:
            stored = self._stored(row["file_id"])
            bad = next((why for name, why in self.bad.items() if name in stored.name), "")
            self._store(store)[row["file_id"]] = Attached(row.get("attributes") or {}, self.slow, bad)
        key = f"vsfb_{next(self._numbers)}"
        self.batches[key] = store, [row["file_id"] for row in rows]
        return self.batch(way, store, key)

    def batch(self, way: str, store: str, key: str) -> dict:
        attached = [self._store(store)[one] for one in self.batches[key][1] if one in self._store(store)]
        for one in attached:
            one.looks -= 1
        counts = _counts(attached)
        told = {"id": key, "object": "vector_store.files_batch", "created_at": 1, "vector_store_id": store}
        status = "in_progress" if counts["in_progress"] else "completed"
        return _told("VectorStoreFileBatchObject", told | {"status": status, "file_counts": counts})

    def list_files(self, way: str, store: str, *, query: dict) -> dict:
        rows = [self._attached(store, key) for key in self._store(store)]
        if after := query.get("after"):
            rows = rows[[row["id"] for row in rows].index(after[0]) + 1 :]
        most = int(query.get("limit", ["20"])[0])
        page = rows[:most]
        told = {"object": "list", "data": page, "has_more": len(rows) > most}
        ends = {"first_id": page[0]["id"] if page else "", "last_id": page[-1]["id"] if page else ""}
        return _told("ListVectorStoreFilesResponse", told | ends)

    def detach(self, way: str, store: str, key: str) -> dict:
        if self._store(store).pop(key, None) is None:
            raise Refusal(404, f"No file {key}")
        told = {"id": key, "object": "vector_store.file.deleted", "deleted": True}
        return _told("DeleteVectorStoreFileResponse", told)

    def _attached(self, store: str, key: str) -> dict:
        one = self._store(store)[key]
        told: dict[str, Any] = {"id": key, "object": "vector_store.file", "usage_bytes": 1, "created_at": 1}
        told |= {"vector_store_id": store, "status": _state(one), "attributes": one.attributes, "last_error": None}
        if one.error:
            told["last_error"] = {"code": "invalid_file", "message": one.error}
        return told


ROUTES = [
    ("POST", "files", "upload"),
    ("GET", "files/([^/]+)", "file"),
    ("DELETE", "files/([^/]+)", "remove_file"),
    ("POST", "vector_stores", "create_store"),
    ("GET", "vector_stores/([^/]+)", "store"),
    ("DELETE", "vector_stores/([^/]+)", "remove_store"),
    ("POST", "vector_stores/([^/]+)/file_batches", "create_batch"),
    ("GET", "vector_stores/([^/]+)/file_batches/([^/]+)", "batch"),
    ("GET", "vector_stores/([^/]+)/files", "list_files"),
    ("DELETE", "vector_stores/([^/]+)/files/([^/]+)", "detach"),
]


def _state(one: Attached) -> str:
    return "in_progress" if one.looks > 0 else "failed" if one.error else "completed"


def _counts(attached: list[Attached]) -> dict[str, int]:
    states = [_state(one) for one in attached]
    names = ("in_progress", "completed", "failed", "cancelled")
    return {name: states.count(name) for name in names} | {"total": len(states)}


def _check(way: str, name: str, body: dict) -> None:
    """Refuse what the specification does not allow."""
    full = name if way == "openai-v1" else f"OpenAI.{name}"
    if faults := [error.message for error in _validator(way, full).iter_errors(body)]:
        raise Refusal(400, faults[0], faults)


def _told(name: str, body: dict) -> dict:
    faults = [error.message for error in _validator("openai-v1", name).iter_errors(body)]
    assert not faults, (name, faults)
    return body


@lru_cache
def _validator(way: str, name: str) -> jsonschema.Draft202012Validator:
    schema = {"$ref": f"#/components/schemas/{name}", "components": SPECS[way]["components"]}
    return jsonschema.Draft202012Validator(schema)
