"""Every parameter of On Your Data, and the tests that show the difference it makes."""

from pathlib import Path

from chat.grounding.data_sources import AzureSearchParameters
from tests import test_on_your_data, test_on_your_data_model

GUIDE = Path(__file__).parent.parent / "docs" / "on-your-data.md"
SHOWN_BY = {
    "endpoint": "only_a_host_that_an_operator_named_is_called, an_index_elsewhere_is_searched_by_its_own_fields",
    "index_name": "index_name_finds_a_collection_or_an_index_by_its_name, only_the_named_collection_is_searched",
    "authentication": "a_token_signs_in_where_the_request_brings_one, what_it_refuses_is_told_without_the_key",
    "query_type": "words_find_what_is_said_and_meaning_what_is_meant, each_query_type_is_asked_of_it",
    "semantic_configuration": "a_query_type_needs_what_it_works_with, each_query_type_is_asked_of_it",
    "embedding_dependency": "a_query_type_needs_what_it_works_with, "
    "what_cannot_be_done_elsewhere_is_told_before_anything_is_called",
    "fields_mapping": "filter_knows_the_names_that_fields_mapping_gives, "
    "an_index_elsewhere_is_searched_by_its_own_fields",
    "filter": "filter_narrows_to_the_documents_it_names, the_filter_goes_along",
    "in_scope": "in_scope_is_whether_the_model_may_add_what_it_knows",
    "role_information": "role_information_and_the_system_message_reach_the_model",
    "strictness": "strictness_sets_aside_what_does_not_come_near",
    "top_n_documents": "top_n_documents_is_how_many_the_model_is_shown",
    "max_search_queries": "max_search_queries_is_how_often_is_searched",
    "allow_partial_result": "one_query_that_fails_fails_all_unless_a_part_will_do",
    "include_contexts": "include_contexts_is_what_is_told, all_that_was_found_is_told_with_its_scores",
}


def test_each_parameter_that_is_taken_has_a_test_and_a_line_in_the_guide():
    assert set(SHOWN_BY) == set(AzureSearchParameters.model_fields)
    guide = GUIDE.read_text()
    for parameter, names in SHOWN_BY.items():
        assert f"`{parameter}`" in guide
        for name in names.split(", "):
            assert any(hasattr(tests, f"test_{name}") for tests in (test_on_your_data, test_on_your_data_model)), name
