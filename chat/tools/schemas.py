"""JSON schemas for models, made from pydantic models, as strict as services ask for. Pure."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

# What strict mode does not take; pydantic checks it all the same when the answer is there.
LEFT_OUT = frozenset(
    "title default minLength maxLength pattern format minimum maximum exclusiveMinimum exclusiveMaximum multipleOf "
    "minItems maxItems uniqueItems".split()
)
FAULTS_MOST = 5


class Arguments(BaseModel):
    """The arguments of a tool: nothing but what is named, and of no other type."""

    model_config = ConfigDict(extra="forbid", strict=True)


def strict_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The schema of a model: every key required, no other allowed; what may be left out may be null."""
    schema: dict[str, Any] = _strict(model.model_json_schema())
    return schema


def _strict(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept: dict[str, Any] = {}
    for key, value in schema.items():
        if key in {"properties", "$defs"}:
            kept[key] = {name: _strict(each) for name, each in value.items()}
        elif key not in LEFT_OUT:
            kept[key] = value if key in {"enum", "const", "required"} else _strict(value)
    if "properties" in kept:
        kept |= {"additionalProperties": False, "required": list(kept["properties"])}
    elif kept.get("type") == "object":
        kept |= {"properties": {}, "additionalProperties": False, "required": []}
    return kept


def what_is_wrong(exc: ValidationError) -> str:
    """Each fault with its place, in one line."""
    faults = exc.errors(include_url=False, include_input=False, include_context=False)
    told = [f"{'.'.join(map(str, fault['loc'])) or 'the whole'}: {fault['msg']}" for fault in faults[:FAULTS_MOST]]
    return "; ".join([*told, *(["…"] if len(faults) > FAULTS_MOST else [])])
