"""The `data_sources` of Azure OpenAI On Your Data: every type, parameter and sign-in, checked as the service does.

A request carries exactly one. What is wrong is said in the service's own words:
"Validation error at #/data_sources/0/azure_search/parameters/endpoint: Field required".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from project.deployments import Deployment, DeploymentsError
from project.deployments import data_source as written_data_source

TOP_N_MOST = 20  # The most the service's own pages offered.
OLD_QUERY_TYPES = {"vectorSimpleHybrid": "vector_simple_hybrid", "vectorSemanticHybrid": "vector_semantic_hybrid"}
PLACE_NAMES = {
    "azure_search": "Azure AI Search",
    "azure_cosmos_db": "Azure Cosmos DB",
    "elasticsearch": "Elasticsearch",
    "mongo_db": "MongoDB",
    "pinecone": "Pinecone",
}

Word = Annotated[str, StringConstraints(min_length=1)]
Secret = Annotated[SecretStr, Field(min_length=1)]
Address = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#]\S*$")]
Fields = Annotated[list[Word], Field(min_length=1)]
Count = Annotated[int, Field(ge=1)]
ContextProperty = Literal["citations", "intent", "all_retrieved_documents"]


class DataSourceError(ValueError):
    """A data source cannot be used as it is written; str(exc) is in the service's words and holds no value of it.

    `faults` are all that is wrong, of which str(exc) is the first.
    """

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__(faults[0])
        self.faults = list(faults)


class _Part(BaseModel):
    """Nothing unknown is let through, and no message repeats what was given: it may be a secret."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


# Signing in ----------------------------------------------------------------------------------------------------------
class ApiKey(_Part):
    type: Literal["api_key"]
    key: Secret


class AccessToken(_Part):
    type: Literal["access_token"]
    access_token: Secret


class SystemAssignedIdentity(_Part):
    type: Literal["system_assigned_managed_identity"]


class UserAssignedIdentity(_Part):
    type: Literal["user_assigned_managed_identity"]
    managed_identity_resource_id: Word


class ConnectionString(_Part):
    type: Literal["connection_string"]
    connection_string: Secret


class KeyAndKeyId(_Part):
    type: Literal["key_and_key_id"]
    key: Secret
    key_id: Word


class EncodedApiKey(_Part):
    type: Literal["encoded_api_key"]
    encoded_api_key: Secret


class UsernameAndPassword(_Part):
    type: Literal["username_and_password"]
    username: Word
    password: Secret


Tagged = Field(discriminator="type")


# Who embeds the question ---------------------------------------------------------------------------------------------
class EmbeddingDeployment(_Part):
    type: Literal["deployment_name"]
    deployment_name: Word
    dimensions: Count | None = None


class EmbeddingEndpoint(_Part):
    type: Literal["endpoint"]
    endpoint: Address
    authentication: Annotated[ApiKey | AccessToken, Tagged]
    dimensions: Count | None = None


class Integrated(_Part):
    type: Literal["integrated"]


class ModelId(_Part):
    type: Literal["model_id"]
    model_id: Word


# Which field of the index is what ------------------------------------------------------------------------------------
class _Mapping(_Part):
    title_field: str | None = None
    url_field: str | None = None
    filepath_field: str | None = None
    content_fields_separator: str | None = None


class ContentMapping(_Mapping):
    content_fields: Fields


class VectorMapping(ContentMapping):
    vector_fields: Fields


class OptionalMapping(_Mapping):
    content_fields: list[Word] | None = None
    vector_fields: list[Word] | None = None


class SearchMapping(OptionalMapping):
    image_vector_fields: list[Word] | None = None


# Parameters ----------------------------------------------------------------------------------------------------------
class _Parameters(_Part):
    """What all of them take."""

    top_n_documents: Annotated[int, Field(ge=1, le=TOP_N_MOST)] | None = None
    max_search_queries: Count | None = None
    allow_partial_result: bool | None = None
    in_scope: bool | None = None
    strictness: Annotated[int, Field(ge=1, le=5)] | None = None
    include_contexts: Annotated[list[ContextProperty], Field(max_length=3)] | None = None


def _snake(query_type: object) -> object:
    """The spelling of 2023, which the service's guides never lost.

    >>> _snake("vectorSimpleHybrid"), _snake("semantic")
    ('vector_simple_hybrid', 'semantic')
    """
    return OLD_QUERY_TYPES.get(query_type, query_type) if isinstance(query_type, str) else query_type


def _needed(value: object, info: ValidationInfo, word: str) -> None:
    """Refuse what is empty although the type of query, whose name holds `word`, needs it."""
    query_type = info.data.get("query_type") or ""
    if not value and word in query_type:
        raise PydanticCustomError("missing", "Field required when query_type is '{kind}'", {"kind": query_type})


class AzureSearchParameters(_Parameters):
    endpoint: Address
    index_name: Word
    authentication: Annotated[ApiKey | SystemAssignedIdentity | UserAssignedIdentity | AccessToken, Tagged]
    query_type: (
        Annotated[
            Literal["simple", "semantic", "vector", "vector_simple_hybrid", "vector_semantic_hybrid"],
            BeforeValidator(_snake),
        ]
        | None
    ) = None
    semantic_configuration: Annotated[str | None, Field(validate_default=True)] = None
    embedding_dependency: Annotated[
        Annotated[EmbeddingEndpoint | EmbeddingDeployment | Integrated, Tagged] | None, Field(validate_default=True)
    ] = None
    fields_mapping: SearchMapping | None = None
    filter: str | None = None
    role_information: str | None = None  # In the dated versions before 2025: the system's message says it since.

    @field_validator("semantic_configuration")
    @classmethod
    def _is_there_for_semantic(cls, value: str | None, info: ValidationInfo) -> str | None:
        _needed(value, info, "semantic")
        return value

    @field_validator("embedding_dependency")
    @classmethod
    def _is_there_for_vectors(cls, value: _Part | None, info: ValidationInfo) -> _Part | None:
        _needed(value, info, "vector")
        return value


class CosmosParameters(_Parameters):
    database_name: Word
    container_name: Word
    index_name: Word
    authentication: ConnectionString
    embedding_dependency: Annotated[EmbeddingEndpoint | EmbeddingDeployment, Tagged]
    fields_mapping: VectorMapping
    role_information: str | None = None


class ElasticsearchParameters(_Parameters):
    endpoint: Address
    index_name: Word
    authentication: Annotated[KeyAndKeyId | EncodedApiKey, Tagged]
    query_type: Literal["simple", "vector"] | None = None
    embedding_dependency: Annotated[
        Annotated[EmbeddingEndpoint | EmbeddingDeployment | ModelId, Tagged] | None, Field(validate_default=True)
    ] = None
    fields_mapping: OptionalMapping | None = None

    @field_validator("embedding_dependency")
    @classmethod
    def _is_there_for_vectors(cls, value: _Part | None, info: ValidationInfo) -> _Part | None:
        _needed(value, info, "vector")
        return value


class MongoParameters(_Parameters):
    endpoint: Word  # The name of a cluster, not an address.
    database_name: Word
    collection_name: Word
    app_name: Word
    index_name: Word
    authentication: UsernameAndPassword
    embedding_dependency: Annotated[EmbeddingEndpoint | EmbeddingDeployment, Tagged]
    fields_mapping: VectorMapping


class PineconeParameters(_Parameters):
    environment: Word
    index_name: Word
    authentication: ApiKey
    embedding_dependency: EmbeddingDeployment
    fields_mapping: ContentMapping


# The five ------------------------------------------------------------------------------------------------------------
class _DataSource(_Part):
    type: str
    parameters: Any

    @property
    def place(self) -> str:
        """Where it is searched, for a person: "the index “handbook” of Azure AI Search"."""
        return f"the index “{self.parameters.index_name}” of {PLACE_NAMES[self.type]}"

    def wire(self) -> dict[str, Any]:
        """The JSON that is sent, secrets and all: for the wire alone."""
        return _revealed(self.model_dump(exclude_none=True))


class AzureSearch(_DataSource):
    type: Literal["azure_search"]
    parameters: AzureSearchParameters


class AzureCosmosDB(_DataSource):
    type: Literal["azure_cosmos_db"]
    parameters: CosmosParameters


class Elasticsearch(_DataSource):
    type: Literal["elasticsearch"]
    parameters: ElasticsearchParameters


class MongoDB(_DataSource):
    type: Literal["mongo_db"]
    parameters: MongoParameters


class Pinecone(_DataSource):
    type: Literal["pinecone"]
    parameters: PineconeParameters


DataSource = AzureSearch | AzureCosmosDB | Elasticsearch | MongoDB | Pinecone


class _Request(_Part):
    data_sources: Annotated[list[Annotated[DataSource, Tagged]], Field(min_length=1, max_length=1)]


def data_source(written: Sequence[Mapping[str, Any]] | object) -> DataSource:
    """The one element of a request's `data_sources`. Raises DataSourceError."""
    try:
        return _Request.model_validate({"data_sources": written}).data_sources[0]
    except ValidationError as exc:
        faults = faults_of(exc)
    raise DataSourceError(faults)  # Here, and so without its cause, which holds what was given.


def faults_of(exc: ValidationError) -> list[str]:
    """What is wrong with a request, each with its place, as the service says it."""
    found = exc.errors(include_url=False, include_input=False)
    return [f"Validation error at #/{'/'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in found]


def source_of(deployment: Deployment) -> DataSource:
    """What the service searches for this deployment. Raises DeploymentsError, which names the place in the file."""
    name = deployment.data_source
    try:
        source = data_source([written_data_source(name)])
    except DataSourceError as exc:
        raise DeploymentsError(f"data_sources.{name}: {exc}.") from exc
    contexts = source.parameters.include_contexts
    if contexts is not None and "citations" not in contexts:
        raise DeploymentsError(
            f"data_sources.{name}: include_contexts must hold “citations”: answers are checked by it."
        )
    return source


def _revealed(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, dict):
        return {key: _revealed(each) for key, each in value.items()}
    return [_revealed(each) for each in value] if isinstance(value, list) else value
