"""`/v1/models`: whoever can be asked here, for answers or for vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from ninja import Router

from documents.openai_api.access import not_there
from documents.openai_api.embeddings import embedding_models
from project.accounts import SignedInRequest
from project.api import ApiError, reading
from project.deployments import DeploymentsError, deployments

router = Router(tags=["models"])


@router.get("/models", auth=reading)
def listed(request: SignedInRequest):
    return {"object": "list", "data": [_model(name, owner) for name, owner in _known().items()]}


@router.get("/models/{path:name}", auth=reading)
def retrieve(request: SignedInRequest, name: str):
    known = _known()
    if name not in known:
        raise not_there("model", name, "model")
    return _model(name, known[name])


def _known() -> dict[str, str]:
    """Names with whose they are; "default" stands for whoever answers when nobody is named."""
    try:
        answering = {name: each.connection.name for name, each in deployments().items()}
    except DeploymentsError as exc:
        raise ApiError(502, "misconfigured", "The models cannot be used as they are set up.") from exc
    return {"default": "lectern"} | answering | {model.name: "lectern" for model in embedding_models()}


def _model(name: str, owner: str) -> dict[str, Any]:
    """A model is as old as the words that set it up."""
    written = settings.DEPLOYMENTS_FILE or settings.BASE_DIR / "project" / "catalogue.json"
    return {"id": name, "object": "model", "created": int(Path(written).stat().st_mtime), "owned_by": owner}
