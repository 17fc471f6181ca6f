"""Every route of the API and every tool of `/mcp`, and a call of each that makes as much sense as can be made without
knowing it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse

# What some route or other asks for, all in one: a route takes what it knows.
BODY: dict[str, Any] = {
    "query": "What is the vault code?",
    "question": "What is the vault code?",
    "input": "What is the vault code?",
    "model": "default",
    "messages": [{"role": "user", "content": "What is the vault code?"}],
    "set": "smoke",
    "questions": [{"question": "What is the vault code?", "right": [{"document": "a.md", "page": 1}]}],
    "username": "bob",
    "role": "reader",
}


@dataclass(frozen=True)
class Route:
    method: str
    path: str  # with {places}
    scope: str
    takes_file: bool
    takes_body: bool

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def names_something(self) -> bool:
        return "{" in self.path

    def call(self, client, headers: dict[str, str], ids: dict[str, Any], **more: Any):
        place = re.sub(r"{([^}]+)}", lambda part: str(self._id(part[1], ids)), self.path)
        method = getattr(client, self.method.lower())
        if self.takes_file:
            file = SimpleUploadedFile("new.md", b"# New\n\nWords of no matter.\n")
            return method(place, {"file": file, "purpose": "assistants", **more}, headers=headers)
        if self.takes_body:
            body = json.dumps((self._on_your_data() or BODY | {"name": "New name"} | self._about(ids)) | more)
            return method(place, body, content_type="application/json", headers=headers)
        return method(place, headers=headers)

    def _id(self, name: str, ids: dict[str, Any]) -> Any:
        """What belongs into the place of the path: the first folder of it says of what the id is."""
        kind, _, name = name.rpartition(":")
        folder = self.path.split("/")[2]
        others = {"act": "swap", "username": "carol", "file_id": ids.get("file"), "store_id": ids.get("store")}
        return 1 if kind == "int" else others.get(name) or ids.get(folder) or ids["documents"]

    def _on_your_data(self) -> dict[str, Any]:
        """A question to the collection that is hidden, in the words of that contract."""
        asked = {"type": "azure_search", "parameters": {"endpoint": "https://lectern.example.org",
                 "index_name": "Hidden", "authentication": {"type": "api_key", "key": "x"}}}  # fmt: skip
        return {"messages": BODY["messages"], "data_sources": [asked]} if self.path.startswith("/openai/") else {}

    def _about(self, ids: dict[str, Any]) -> dict[str, Any]:
        return {"about": [{"document": str(ids["documents"])}]} if self.path.endswith("/explain") else {}


@dataclass(frozen=True)
class Tool(Route):
    """One of the tools for programs that speak the Model Context Protocol: all are called at one address."""

    name: str = ""

    def __str__(self) -> str:
        return f"the tool {self.name}"

    def call(self, client, headers: dict[str, str], ids: dict[str, Any], **more: Any):
        known = {"query": BODY["query"], "question": BODY["question"], "document_id": str(ids["documents"]), "page": 1}
        names = TOOLS[self.name]
        asked = {"name": self.name, "arguments": {name: known[name] for name in names}}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": asked}
        told = asyncio.run(_posted(self.path, message, headers))
        response = HttpResponse(told.content, status=told.status_code, content_type=told.headers["content-type"])
        response.json = told.json
        return response


async def _posted(path: str, message: dict[str, Any], headers: dict[str, str]) -> httpx2.Response:
    from project.asgi import application

    talks = {"Accept": "application/json, text/event-stream"}
    served = httpx2.ASGITransport(app=application)
    async with httpx2.AsyncClient(transport=served, base_url="http://testserver") as client:
        return await client.post(path, json=message, headers=headers | talks, timeout=60)


TOOLS = {"search": ["query"], "open_page": ["document_id", "page"], "ask": ["question"], "list_documents": []}
VERSION = "api-version=2024-10-21"
ON_YOUR_DATA = [  # They are no part of the described API, and are signed by the same keys.
    Route("POST", f"/openai/deployments/default/chat/completions?{VERSION}", "read", False, True),
    Route("POST", "/openai/v1/chat/completions", "read", False, True),
]


def routes() -> Iterator[Route]:
    import project.urls  # noqa: F401 - the routers are added there
    from project.api import api

    described = api.get_openapi_schema(path_prefix="")["paths"]
    for bound in api._get_bound_routers():
        for path, view in bound.path_operations.items():
            place = re.sub(r"/+", "/", f"/{bound.prefix}/{path}")
            for operation in view.operations:
                for method in operation.methods:
                    told = described[re.sub(r"{[^}:]+:", "{", place)][method.lower()]
                    sends = told.get("requestBody", {}).get("content", {})
                    scope = str(operation.auth_callbacks[0].scope) if operation.auth_callbacks else ""
                    yield Route(method, place, scope, "multipart/form-data" in sends, "application/json" in sends)
    yield from ON_YOUR_DATA
    yield from (Tool("POST", "/mcp", "read", takes_file=False, takes_body=True, name=name) for name in TOOLS)
