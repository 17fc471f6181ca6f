"""OpenAI's own clients against a live Lectern; whatever it answers must be valid by OpenAI's published description.

`tests/specs/openai-served.json` is cut out of that description (openai/openai-openapi, MIT licence): the answers of the
routes that Lectern serves, and the kinds of output items and events that it can send.
"""

from __future__ import annotations

import base64
import json
import re
from functools import lru_cache
from pathlib import Path

import httpx2
import jsonschema
import numpy as np
import openai

from documents.ingestion import ingest
from documents.models import Document
from project.models import ApiKey

SPECS = json.loads((Path(__file__).parent / "specs" / "openai-served.json").read_text())
ID = r"/[^/]+"
ANSWERS = [  # (method, path below /v1, the schema of what comes)
    ("POST", "/chat/completions", "CreateChatCompletionResponse"),
    ("POST", "/responses", "Response"),
    ("GET", f"/responses{ID}/input_items", "ResponseItemList"),
    ("GET", f"/responses{ID}", "Response"),
    ("POST", f"/conversations({ID})?", "ConversationResource"),
    ("GET", f"/conversations{ID}", "ConversationResource"),
    ("DELETE", f"/conversations{ID}", "DeletedConversationResource"),
    ("POST", f"/conversations{ID}/items", "ConversationItemList"),
    ("GET", f"/conversations{ID}/items", "ConversationItemList"),
    ("GET", f"/conversations{ID}/items{ID}", "ConversationItem"),
    ("DELETE", f"/conversations{ID}/items{ID}", "ConversationResource"),
    ("POST", "/embeddings", "CreateEmbeddingResponse"),
    ("GET", "/models", "ListModelsResponse"),
    ("GET", f"/models{ID}", "Model"),
    ("GET", "/files", "ListFilesResponse"),
    ("POST", "/files", "OpenAIFile"),
    ("GET", f"/files{ID}", "OpenAIFile"),
    ("DELETE", f"/files{ID}", "DeleteFileResponse"),
    ("POST", f"/uploads({ID}/(complete|cancel))?", "Upload"),
    ("POST", f"/uploads{ID}/parts", "UploadPart"),
    ("GET", "/vector_stores", "ListVectorStoresResponse"),
    ("POST", f"/vector_stores({ID})?", "VectorStoreObject"),
    ("GET", f"/vector_stores{ID}", "VectorStoreObject"),
    ("DELETE", f"/vector_stores{ID}", "DeleteVectorStoreResponse"),
    ("POST", f"/vector_stores{ID}/search", "VectorStoreSearchResultsPage"),
    ("GET", f"/vector_stores{ID}(/file_batches{ID})?/files", "ListVectorStoreFilesResponse"),
    ("GET", f"/vector_stores{ID}/files{ID}/content", "VectorStoreFileContentResponse"),
    ("POST", f"/vector_stores{ID}/files({ID})?", "VectorStoreFileObject"),
    ("GET", f"/vector_stores{ID}/files{ID}", "VectorStoreFileObject"),
    ("DELETE", f"/vector_stores{ID}/files{ID}", "DeleteVectorStoreFileResponse"),
    ("POST", f"/vector_stores{ID}/file_batches({ID}/cancel)?", "VectorStoreFileBatchObject"),
    ("GET", f"/vector_stores{ID}/file_batches{ID}", "VectorStoreFileBatchObject"),
]
EVENTS = {"/chat/completions": "CreateChatCompletionStreamResponse", "/responses": "ResponseStreamEvent"}


@lru_cache
def validator(name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator({"$ref": f"#/components/schemas/{name}", **SPECS})


def check(request: httpx2.Request, response: httpx2.Response) -> None:
    """What came, held against the description; the errors' shape too."""
    path = request.url.path.removeprefix("/v1")
    assert response.headers["x-request-id"].startswith("req_") and response.headers["openai-processing-ms"].isdigit()
    if response.status_code >= 400:
        validator("ErrorResponse").validate(response.json())
    elif "event-stream" in response.headers["content-type"]:
        told = [line[6:] for line in response.text.splitlines() if line.startswith("data: ")]
        for event in told[: -1 if told[-1] == "[DONE]" else None]:
            body = json.loads(event)
            validator("ErrorResponse" if "error" in body and "type" not in body else EVENTS[path]).validate(body)
    elif "json" in response.headers["content-type"]:
        names = [name for method, each, name in ANSWERS if method == request.method and re.fullmatch(each, path)]
        assert names or (request.method, path.split("/")[1]) == ("DELETE", "responses"), (request.method, path)
        for name in names[:1]:
            validator(name).validate(unpacked(response.json()))


def unpacked(body: dict) -> dict:
    """Vectors in base64 as the numbers they stand for, which are all that the description knows."""
    for row in body["data"] if isinstance(body.get("data"), list) else []:
        if isinstance(row.get("embedding"), str):
            row["embedding"] = np.frombuffer(base64.b64decode(row["embedding"], validate=True), "<f4").tolist()
    return body


class Checked(httpx2.HTTPTransport):
    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        response = super().handle_request(request)
        response.read()
        check(request, response)
        return response


class AsyncChecked(httpx2.AsyncHTTPTransport):
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        await response.aread()
        check(request, response)
        return response


def signed(address: str, user, **facts) -> dict:
    return {
        "base_url": f"{address}/v1",
        "api_key": ApiKey.create(user, **facts)[1],
        "max_retries": 0,
        "timeout": 60,
    }


def client(address: str, user, **facts) -> openai.OpenAI:
    """A client with a key of this person's; `facts` are those of the key."""
    return openai.OpenAI(**signed(address, user, **facts), http_client=httpx2.Client(transport=Checked()))


def async_client(address: str, user, **facts) -> openai.AsyncOpenAI:
    http_client = httpx2.AsyncClient(transport=AsyncChecked())
    return openai.AsyncOpenAI(**signed(address, user, **facts), http_client=http_client)


def read_all() -> None:
    """Have everything that waits be read, as a worker would."""
    for document in Document.objects.waiting():
        ingest(document)
