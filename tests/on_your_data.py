"""Ask a running Lectern as programs asked Azure OpenAI On Your Data, and hold every answer against what was published.

`tests/specs/on-your-data.json` holds the answers' schemas of the last stable dated version, of a late preview, of v1
and of two previews of 2023, cut out of the vendor's OpenAPI descriptions (MIT licence). That all_retrieved_documents
is a list was forgotten in v1's, and is mended there.
"""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import httpx2
import jsonschema
import openai
import pytest
from openai import AzureOpenAI, OpenAI

SPECS = json.loads((Path(__file__).parent / "specs" / "on-your-data.json").read_text())
STABLE, LATE, V1 = "2024-10-21", "2025-03-01-preview", "v1"
ANSWERS = {
    STABLE: ("createChatCompletionResponse", "createChatCompletionStreamResponse", "azureChatExtensionsMessageContext"),
    LATE: ("createChatCompletionResponse", "createChatCompletionStreamResponse", "azureChatExtensionsMessageContext"),
    V1: ("AzureCreateChatCompletionResponse", "AzureCreateChatCompletionStreamResponse", "AzureChatMessageContext"),
}
QUESTION = "When is the rent due?"
SOURCE = {
    "endpoint": "https://old.search.windows.net",
    "index_name": "house-rules",
    "authentication": {"type": "api_key", "key": "of the search service"},
}


def azure(url: str, key: str, version: str = STABLE, kind: type = AzureOpenAI, **more: Any) -> Any:
    return kind(azure_endpoint=url, api_key=key, api_version=version, max_retries=0, timeout=60, **more)


def v1(url: str, key: str, kind: type = OpenAI) -> Any:
    return kind(base_url=f"{url}/openai/v1", api_key=key, max_retries=0, timeout=60)


def with_source(kind: str = "azure_search", **parameters: Any) -> dict[str, Any]:
    """What a program gives as extra_body."""
    return {"data_sources": [{"type": kind, "parameters": (SOURCE if kind == "azure_search" else {}) | parameters}]}


def messages(question: str = QUESTION, *before: tuple[str, str]) -> list[dict[str, str]]:
    told = [{"role": role, "content": text} for role, text in before]
    return [*told, {"role": "user", "content": question}]


def ask(rules, question=QUESTION, *before, version=LATE, model="gpt-4o", more=None, **parameters):
    """A whole answer, valid against the published schemas."""
    client = azure(rules.url, rules.key, version)
    body = with_source(**parameters) if parameters.pop("has_source", True) else {}
    answer = client.chat.completions.create(
        model=model, messages=messages(question, *before), extra_body=body, **(more or {})
    )
    check(answer.model_dump(exclude_unset=True), version)
    return answer.choices[0].message


def told(rules, **parameters):
    """What an error says of a data source."""
    with pytest.raises(openai.BadRequestError) as caught:
        ask(rules, **parameters)
    error = caught.value.response.json()["error"]
    assert error["code"] == 400 and len(error["requestid"]) == 36
    return error["message"]


def post(rules, path, body, **headers):
    return httpx2.post(rules.url + path, json=body, headers={"api-key": rules.key} | headers, timeout=60)


def refused(door, kind, **more):
    with pytest.raises(kind) as caught:
        azure(door.url, more.pop("key", door.key), more.pop("version", STABLE)).chat.completions.create(
            **{"model": "x", "messages": messages(), "extra_body": with_source()} | more
        )
    return caught.value


def check(body: dict[str, Any], version: str, *, is_chunk: bool = False) -> None:
    """Raises where an answer is not as it was published, but for what the service itself did otherwise.

    It named its answers extensions.chat.completion, told null where a citation has no value, left `content` out of no
    message, and sent `context` in a delta, which the dated descriptions forgot.
    """
    whole, chunk, context = ANSWERS[version]
    told = deepcopy(body)
    told["object"] = told["object"].removeprefix("extensions.")
    for choice in told["choices"]:
        part = choice.get("delta" if is_chunk else "message") or {}
        for name in ("citations", "all_retrieved_documents"):
            kept = [{key: value for key, value in one.items() if value is not None} for one in _list(part, name)]
            if name in (part.get("context") or {}):
                part["context"][name] = kept
        if "context" in part:
            _validate(part["context"], version, context)
            assert set(part["context"]) <= {"citations", "intent", "all_retrieved_documents"}
    _validate(told, version, chunk if is_chunk else whole)


def check_old(body: dict[str, Any], version: str) -> None:
    _validate(body, version, "extensionsChatCompletionsResponse")


def _list(part: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return (part.get("context") or {}).get(name) or []


def _validate(value: Any, version: str, name: str) -> None:
    schema = {"$ref": f"#/components/schemas/{name}", **SPECS[version]}
    jsonschema.validate(value, schema, jsonschema.Draft202012Validator)
