"""The description of the API, held against what it does: made-up calls of every route, good ones and bad ones.

Our own routes are described by us, those under /v1 by OpenAI.

EXAMPLES=200 in the environment makes a longer run of it.
"""

import os

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from project.models import ApiKey
from tests.library import add, shared_collection
from tests.openai_served import check

pytestmark = pytest.mark.django_db(transaction=True)

EXAMPLES = int(os.environ.get("EXAMPLES", "3"))
ENDLESS = "/api/events/stream"  # It has tests of its own.
OURS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def as_openai_describes_it(ctx, response, case) -> None:
    """What lies under /v1 has OpenAI's shapes: what comes, and what is refused, is held against their description."""
    headers = [(name, value) for name, values in response.headers.items() for value in values]
    told = httpx2.Response(response.status_code, headers=headers, content=response.content)
    check(httpx2.Request(case.method, response.request.url), told)


THEIRS = [not_a_server_error, as_openai_describes_it]


@pytest.fixture
def ids(staff) -> dict[str, object]:
    document = add(staff)
    shared = shared_collection(staff, name="Rules")
    index = shared.index_id
    return {"documents": document.pk, "collections": shared.pk, "indexes": index, "keys": 10**6, "evaluation": 1}


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["good", "bad"])
def test_every_call_is_answered_as_it_is_described(asgi_server, staff, ids, mode):
    schema = schemathesis.openapi.from_url(f"{asgi_server}/api/openapi.json")
    headers = {"api-key": ApiKey.create(staff, scope="admin", requests_a_minute=10**6)[1]}
    called = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.path == ENDLESS or (mode == GenerationMode.NEGATIVE and not can_be_wrong(operation)):
            continue
        called += 1
        checks = OURS if operation.path.startswith("/api/") else THEIRS
        call_it(operation, mode, headers, ids, checks)
    assert called > 10


def can_be_wrong(operation) -> bool:
    return bool(operation.body or operation.query or operation.path_parameters)


def call_it(operation, mode, headers, ids, checks) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=EXAMPLES < 10,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), is_real=st.booleans())
    def call(case, is_real) -> None:
        room = operation.path.split("/")[2]
        if is_real and "pk" in (case.path_parameters or {}) and room in ids:
            case.path_parameters["pk"] = str(ids[room])
        response = case.call(headers=headers)
        case.validate_response(response, checks=checks, headers=headers)

    call()
