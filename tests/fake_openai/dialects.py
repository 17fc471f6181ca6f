"""What each service takes, and where: OpenAI, Azure's dated versions and v1, and a server of one's own.

`tests/specs` holds the request schemas of OpenAI's API, of Azure's v1, of Azure's last dated version and of a late
dated preview, for chat completions and for embeddings, cut out of the vendors' OpenAPI descriptions (MIT licence). They
are put right where they are behind their services: the efforts of v1, the envelope of a JSON schema in dated versions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import jsonschema

SPECS = {
    f"/{name.replace('-', '/')}": json.loads((Path(__file__).parent.parent / "specs" / f"{name}.json").read_text())
    for name in ("chat-completions", "embeddings")
}
DATED = {"2024-10-21": "azure-2024-10-21"} | dict.fromkeys(
    ("2025-03-01-preview", "2025-04-01-preview"), "azure-2025-03-01-preview"
)
OWN = "/own/v1/"  # The path of a server of one's own, which knows no developer.


def ending_of(path: str) -> str | None:
    """Which of the services' calls it is."""
    return next((ending for ending in SPECS if path.endswith(ending)), None)


def way_of(path: str, query: dict[str, list[str]]) -> str | None:
    """Whose schema holds at this address; None where there is nothing."""
    version = query.get("api-version", [""])[0]
    if path.startswith("/openai/deployments/"):
        way = DATED.get(version)
        return way if way in SPECS[ending_of(path) or "/chat/completions"] else way and "azure-2024-10-21"
    if path.startswith("/openai/v1/"):
        return "azure-v1" if version in {"", "v1", "preview"} else None
    return "openai-v1" if path.startswith(("/v1/", OWN)) and not version else None


def faults_of(ending: str, way: str, path: str, body: dict) -> list[str]:
    """What the service would refuse of a request, by its own description."""
    validator, known = _checks(ending, way)
    faults = [error.message for error in validator.iter_errors(body)]
    faults += [f"unknown argument {name}" for name in body.keys() - known]
    return faults + (list(_too_new(body)) if path.startswith(OWN) else [])


def properties(schemas: dict, name: str) -> set[str]:
    """The names a schema knows, its own and those of the schemas it is made of."""
    schema = schemas[name]
    found = set(schema.get("properties", {}))
    for part in schema.get("allOf", []):
        found |= set(part.get("properties", {}))
        if "$ref" in part:
            found |= properties(schemas, part["$ref"].rsplit("/", 1)[1])
    return found


@lru_cache
def _checks(ending: str, way: str) -> tuple[jsonschema.Draft202012Validator, set[str]]:
    spec = SPECS[ending][way]
    schema = {"$ref": f"#/components/schemas/{spec['request']}", "components": spec["components"]}
    return jsonschema.Draft202012Validator(schema), properties(spec["components"]["schemas"], spec["request"]) | {
        "model"
    }


def _too_new(body: dict) -> Iterator[str]:
    if "data_sources" in body:
        yield "unknown argument data_sources"
    if any(message["role"] == "developer" for message in body.get("messages", ())):
        yield "unknown role developer"
