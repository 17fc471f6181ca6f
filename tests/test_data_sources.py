"""The `data_sources` of Azure OpenAI On Your Data: everything the published schemas know, and what is refused."""

import json
from types import UnionType
from typing import Any, Literal, get_args, get_origin

import jsonschema
import pytest

from chat.grounding import data_sources
from chat.grounding.data_sources import DataSourceError, data_source
from tests.fake_on_your_data import SPECS, closed, refusal

LATE = "2025-03-01-preview"
MESSAGES = {"messages": [{"role": "user", "content": "When?"}]}
API_KEY = {"type": "api_key", "key": "geheim"}
BY_NAME = {"type": "deployment_name", "deployment_name": "embed", "dimensions": 256}
BY_ADDRESS = {"type": "endpoint", "endpoint": "https://x.openai.azure.com/embeddings", "authentication": API_KEY}
FIELDS = {"content_fields": ["text"], "vector_fields": ["vector"]}
MINIMAL: dict[str, dict[str, Any]] = {
    "azure_search": {"endpoint": "https://x.search.windows.net", "index_name": "handbook", "authentication": API_KEY},
    "azure_cosmos_db": {
        "database_name": "db",
        "container_name": "box",
        "index_name": "handbook",
        "authentication": {"type": "connection_string", "connection_string": "geheim"},
        "embedding_dependency": BY_NAME,
        "fields_mapping": FIELDS,
    },
    "elasticsearch": {
        "endpoint": "https://elastic.example",
        "index_name": "handbook",
        "authentication": {"type": "key_and_key_id", "key": "geheim", "key_id": "id"},
    },
    "mongo_db": {
        "endpoint": "cluster.mongodb.example",
        "database_name": "db",
        "collection_name": "texts",
        "app_name": "app",
        "index_name": "handbook",
        "authentication": {"type": "username_and_password", "username": "reader", "password": "geheim"},
        "embedding_dependency": BY_NAME,
        "fields_mapping": FIELDS,
    },
    "pinecone": {
        "environment": "eu",
        "index_name": "handbook",
        "authentication": API_KEY,
        "embedding_dependency": BY_NAME,
        "fields_mapping": {"content_fields": ["text"]},
    },
}
OF_ALL = {
    "top_n_documents": 7,
    "max_search_queries": 2,
    "allow_partial_result": True,
    "in_scope": False,
    "strictness": 4,
    "include_contexts": ["citations", "all_retrieved_documents"],
}
SIGN_INS = [
    ("azure_search", API_KEY),
    ("azure_search", {"type": "access_token", "access_token": "geheim"}),
    ("azure_search", {"type": "system_assigned_managed_identity"}),
    ("azure_search", {"type": "user_assigned_managed_identity", "managed_identity_resource_id": "/subscriptions/1"}),
    ("elasticsearch", {"type": "encoded_api_key", "encoded_api_key": "geheim"}),
]
EMBEDDINGS = [
    ("azure_search", BY_NAME),
    ("azure_search", BY_ADDRESS),
    ("azure_search", {"type": "integrated"}),
    ("azure_search", BY_ADDRESS | {"authentication": {"type": "access_token", "access_token": "geheim"}}),
    ("elasticsearch", {"type": "model_id", "model_id": "elser"}),
]
SCHEMAS = {
    "azureSearchChatExtensionParameters": data_sources.AzureSearchParameters,
    "azureCosmosDBChatExtensionParameters": data_sources.CosmosParameters,
    "elasticsearchChatExtensionParameters": data_sources.ElasticsearchParameters,
    "mongoDBChatExtensionParameters": data_sources.MongoParameters,
    "pineconeChatExtensionParameters": data_sources.PineconeParameters,
    "azureSearchIndexFieldMappingOptions": data_sources.SearchMapping,
    "azureCosmosDBFieldMappingOptions": data_sources.VectorMapping,
    "elasticsearchIndexFieldMappingOptions": data_sources.OptionalMapping,
    "mongoDBFieldMappingOptions": data_sources.VectorMapping,
    "pineconeFieldMappingOptions": data_sources.ContentMapping,
    "onYourDataApiKeyAuthenticationOptions": data_sources.ApiKey,
    "onYourDataAccessTokenAuthenticationOptions": data_sources.AccessToken,
    "onYourDataSystemAssignedManagedIdentityAuthenticationOptions": data_sources.SystemAssignedIdentity,
    "onYourDataUserAssignedManagedIdentityAuthenticationOptions": data_sources.UserAssignedIdentity,
    "onYourDataConnectionStringAuthenticationOptions": data_sources.ConnectionString,
    "onYourDataKeyAndKeyIdAuthenticationOptions": data_sources.KeyAndKeyId,
    "onYourDataEncodedApiKeyAuthenticationOptions": data_sources.EncodedApiKey,
    "onYourDataUsernameAndPasswordAuthenticationOptions": data_sources.UsernameAndPassword,
    "onYourDataDeploymentNameVectorizationSource": data_sources.EmbeddingDeployment,
    "onYourDataEndpointVectorizationSource": data_sources.EmbeddingEndpoint,
    "onYourDataIntegratedVectorizationSource": data_sources.Integrated,
    "onYourDataModelIdVectorizationSource": data_sources.ModelId,
}


def written(kind: str = "azure_search", **more: Any) -> list[dict[str, Any]]:
    return [{"type": kind, "parameters": MINIMAL[kind] | more}]


def fault_of(sources: Any) -> str:
    with pytest.raises(DataSourceError) as caught:
        data_source(sources)
    return str(caught.value)


# Everything the schemas know -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", MINIMAL)
def test_each_type_is_sent_as_it_was_written(kind):
    asked = written(kind, **OF_ALL)
    assert data_source(asked).wire() == asked[0]
    assert refusal(MESSAGES | {"data_sources": asked}, LATE) is None


@pytest.mark.parametrize(("kind", "sign_in"), SIGN_INS)
def test_each_way_to_sign_in(kind, sign_in):
    asked = written(kind, authentication=sign_in)
    assert data_source(asked).wire() == asked[0]
    assert refusal(MESSAGES | {"data_sources": asked}, LATE) is None


@pytest.mark.parametrize(("kind", "embedding"), EMBEDDINGS)
def test_each_way_to_embed_the_question(kind, embedding):
    asked = written(kind, query_type="vector", embedding_dependency=embedding)
    assert data_source(asked).wire() == asked[0]
    assert refusal(MESSAGES | {"data_sources": asked}, LATE) is None


def test_every_parameter_of_azure_search_is_known():
    asked = written(
        **OF_ALL,
        query_type="vector_semantic_hybrid",
        semantic_configuration="default",
        embedding_dependency=BY_NAME,
        filter="team eq 'desk'",
        fields_mapping=FIELDS
        | {"title_field": "t", "url_field": "u", "filepath_field": "f", "content_fields_separator": "\n"}
        | {"image_vector_fields": ["pictures"]},
    )
    assert data_source(asked).wire() == asked[0]
    assert refusal(MESSAGES | {"data_sources": asked}, LATE) is None


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_part_has_the_properties_of_the_published_schemas_and_no_others(name):
    told = [closed(spec[name], spec) for spec in SPECS.values() if name in spec]
    fields = SCHEMAS[name].model_fields
    assert set(fields) == set().union(*(each["properties"] for each in told))
    assert {field for field, info in fields.items() if info.is_required()} == {
        field for each in told for field in each["required"]
    } | ({"type"} & fields.keys())


def test_every_part_of_the_published_schemas_is_compared():
    parts = {name for spec in SPECS.values() for name in spec if name.endswith(("Parameters", "MappingOptions"))}
    parts |= {name for spec in SPECS.values() for name in spec if name.endswith("AuthenticationOptions")}
    parts |= {name for spec in SPECS.values() for name in spec if name.endswith("VectorizationSource")}
    assert parts - {"onYourDataAuthenticationOptions", "onYourDataVectorizationSource"} == set(SCHEMAS)


@pytest.mark.parametrize(
    ("model", "field", "name"),
    [
        (data_sources.AzureSearchParameters, "query_type", "azureSearchQueryType"),
        (data_sources.ElasticsearchParameters, "query_type", "elasticsearchQueryType"),
        (data_sources.AzureSearchParameters, "include_contexts", "onYourDataContextProperty"),
    ],
)
def test_what_is_chosen_from_is_what_the_schemas_offer(model, field, name):
    assert set(words_of(model.model_fields[field].annotation)) == set(SPECS[LATE][name]["enum"])


def words_of(annotation: Any) -> list[str]:
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    return [word for each in get_args(annotation) if not isinstance(each, str) for word in words_of(each)]


def test_the_types_are_those_of_the_schemas():
    assert set(MINIMAL) == set(SPECS[LATE]["azureChatExtensionType"]["enum"]) == set(data_sources.PLACE_NAMES)
    assert isinstance(data_sources.DataSource, UnionType) and len(get_args(data_sources.DataSource)) == 5


def test_the_old_stable_version_takes_what_is_sent_to_it():
    asked = written(role_information="You are the desk.", query_type="vector", embedding_dependency={**BY_NAME})
    del asked[0]["parameters"]["embedding_dependency"]["dimensions"]
    sent = data_source(asked).wire()
    assert refusal(MESSAGES | {"data_sources": [sent]}, "2024-10-21") is None
    spec = SPECS["2024-10-21"]
    jsonschema.validate(sent, closed(spec["azureSearchChatExtensionConfiguration"], spec))


# The old spelling ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("old", "new"),
    [("vectorSimpleHybrid", "vector_simple_hybrid"), ("vectorSemanticHybrid", "vector_semantic_hybrid")],
)
def test_the_old_spelling_of_a_query_is_sent_in_the_new_one(old, new):
    source = data_source(written(query_type=old, embedding_dependency=BY_NAME, semantic_configuration="default"))
    assert source.wire()["parameters"]["query_type"] == new


# What is refused -----------------------------------------------------------------------------------------------------
def test_a_fault_is_told_in_the_words_of_the_service():
    asked = written()
    del asked[0]["parameters"]["endpoint"]
    said = "Validation error at #/data_sources/0/azure_search/parameters/endpoint: Field required"
    assert fault_of(asked) == said


@pytest.mark.parametrize("query_type", ["vector", "vector_simple_hybrid", "vector_semantic_hybrid"])
def test_a_query_by_vector_needs_an_embedding(query_type):
    said = fault_of(written(query_type=query_type, semantic_configuration="default"))
    assert said.startswith("Validation error at #/data_sources/0/azure_search/parameters/embedding_dependency: Field")


@pytest.mark.parametrize("query_type", ["semantic", "vector_semantic_hybrid"])
def test_a_semantic_query_needs_a_semantic_configuration(query_type):
    for nothing in ({}, {"semantic_configuration": ""}, {"semantic_configuration": None}):
        said = fault_of(written(query_type=query_type, embedding_dependency=BY_NAME, **nothing))
        assert "/parameters/semantic_configuration: Field required" in said


def test_elasticsearch_by_vector_needs_an_embedding_too():
    assert "/elasticsearch/parameters/embedding_dependency: Field required" in fault_of(
        written("elasticsearch", query_type="vector")
    )


@pytest.mark.parametrize("kind", ["azure_cosmos_db", "mongo_db"])
@pytest.mark.parametrize("field", ["content_fields", "vector_fields"])
def test_some_need_their_fields_named(kind, field):
    mapping = {name: value for name, value in FIELDS.items() if name != field}
    assert f"/fields_mapping/{field}: Field required" in fault_of(written(kind, fields_mapping=mapping))


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, parameters in MINIMAL.items() for name in parameters]
)
def test_what_is_needed_is_missed(kind, name):
    asked = written(kind)
    del asked[0]["parameters"][name]
    assert fault_of(asked) == f"Validation error at #/data_sources/0/{kind}/parameters/{name}: Field required"


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("strictness", 0),
        ("strictness", 6),
        ("strictness", "3"),
        ("top_n_documents", 0),
        ("top_n_documents", 21),
        ("max_search_queries", 0),
        ("in_scope", "yes"),
        ("include_contexts", ["prices"]),
        ("query_type", "fuzzy"),
        ("query_type", ["simple"]),
        ("endpoint", "x.search.windows.net"),
        ("endpoint", "javascript:alert(1)"),
        ("index_name", ""),
        ("fields_mapping", {"content_fields": "text"}),
        ("embedding_dependency", {"type": "model_id", "model_id": "elser"}),
        ("authentication", {"type": "connection_string", "connection_string": "geheim"}),
        ("authentication", {"type": "api_key", "api_key": "geheim"}),
        ("authentication", "geheim"),
        ("colour", "red"),
        ("colour\x00[0]", 1),
    ],
)
def test_what_no_service_takes_is_refused_where_it_stands(parameter, value):
    said = fault_of(written(**{parameter: value}))
    assert said.startswith(f"Validation error at #/data_sources/0/azure_search/parameters/{parameter}")
    assert "geheim" not in said


@pytest.mark.parametrize("sources", [[], written() * 2, None, "azure_search", {}, [None], [{}], [{"type": "sql"}], 3])
def test_there_is_exactly_one_and_it_is_one(sources):
    assert fault_of(sources).startswith("Validation error at #/data_sources")


# Secrets -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", MINIMAL)
def test_a_secret_is_in_no_text_of_it_but_the_wire(kind):
    source = data_source(written(kind))
    assert "geheim" not in f"{source!r} {source} {source.model_dump_json()} {source.parameters.authentication!r}"
    assert "geheim" in json.dumps(source.wire())


def test_a_fault_holds_no_secret_and_no_cause_that_does():
    with pytest.raises(DataSourceError) as caught:
        data_source(written(authentication=API_KEY | {"kye": "geheim"}))
    assert "geheim" not in str(caught.value)
    assert caught.value.__cause__ is None and caught.value.__context__ is None


def test_where_it_is_searched_is_told_in_words():
    assert data_source(written()).place == "the index “handbook” of Azure AI Search"
