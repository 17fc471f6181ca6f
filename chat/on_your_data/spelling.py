"""The words of the previews of 2023 (`dataSources`, `AzureCognitiveSearch`, `indexName`) brought into the later ones.

What a program writes in either way is then one request; what is wrong with it is told in the words it was written in.
"""

from __future__ import annotations

import re
from typing import Any

KINDS = {
    "AzureCognitiveSearch": "azure_search",
    "AzureSearch": "azure_search",
    "AzureCosmosDB": "azure_cosmos_db",
    "Elasticsearch": "elasticsearch",
    "MongoDB": "mongo_db",
    "Pinecone": "pinecone",
}
INNER_KINDS = {
    "APIKey": "api_key",
    "ApiKey": "api_key",
    "AccessToken": "access_token",
    "SystemAssignedManagedIdentity": "system_assigned_managed_identity",
    "UserAssignedManagedIdentity": "user_assigned_managed_identity",
    "ConnectionString": "connection_string",
    "KeyAndKeyId": "key_and_key_id",
    "EncodedAPIKey": "encoded_api_key",
    "EncodedApiKey": "encoded_api_key",
    "DeploymentName": "deployment_name",
    "Endpoint": "endpoint",
    "ModelId": "model_id",
}


def is_old(body: dict[str, Any]) -> bool:
    """Whether the request speaks as the previews of 2023 did."""
    sources = body.get("data_sources")
    kinds = [each.get("type") for each in sources if isinstance(each, dict)] if isinstance(sources, list) else []
    return "dataSources" in body or any(kind in KINDS for kind in kinds if isinstance(kind, str))


def modern(sources: Any) -> Any:
    """The data sources in the later words; what has another shape than they could have stays as it is."""
    return [_source(each) if isinstance(each, dict) else each for each in sources] if _is_list(sources) else sources


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _source(written: dict[str, Any]) -> dict[str, Any]:
    source = {**written, "type": KINDS.get(str(written.get("type")), written.get("type"))}
    if isinstance(parameters := written.get("parameters"), dict):
        source["parameters"] = _parameters(parameters)
    return source


def _parameters(written: dict[str, Any]) -> dict[str, Any]:
    """Keys and embeddings stood beside the other parameters before they had a place of their own."""
    parameters = _snake_keys(written)
    if isinstance(key := parameters.pop("key", None), str):
        parameters.setdefault("authentication", {"type": "api_key", "key": key})
    name, endpoint, key = (parameters.pop(f"embedding_{what}", None) for what in ("deployment_name", "endpoint", "key"))
    if name:
        parameters.setdefault("embedding_dependency", {"type": "deployment_name", "deployment_name": name})
    elif endpoint:
        sign_in = {"type": "api_key", "key": key}
        dependency = {"type": "endpoint", "endpoint": endpoint, "authentication": sign_in}
        parameters.setdefault("embedding_dependency", dependency)
    for part in (parameters.get("authentication"), parameters.get("embedding_dependency")):
        if isinstance(part, dict) and isinstance(part.get("type"), str):
            part["type"] = INNER_KINDS.get(part["type"], part["type"])
    return parameters


def _snake_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {snake(str(key)): _snake_keys(each) for key, each in value.items() if each is not None}
    return value


def snake(name: str) -> str:
    """
    >>> snake("topNDocuments"), snake("index_name")
    ('top_n_documents', 'index_name')
    """
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def as_written(sentence: str) -> str:
    """A fault's place in the words of a request that spoke the old ones.

    >>> as_written("Validation error at #/data_sources/0/azure_search/parameters/endpoint: Field required")
    'Validation error at #/dataSources/0/AzureCognitiveSearch/parameters/endpoint: Field required'
    """
    for old, new in {"AzureCognitiveSearch": "azure_search", **{old: KINDS[old] for old in list(KINDS)[2:]}}.items():
        sentence = sentence.replace(f"#/data_sources/0/{new}/", f"#/data_sources/0/{old}/")
    return sentence.replace("#/data_sources", "#/dataSources")
