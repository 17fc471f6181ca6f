"""A version is built beside the live one, compared, swapped and gone back to in a real browser; then the search is
looked into."""

import json

import pytest
from playwright.sync_api import expect

from documents.indexes import default_index
from documents.models import VersionComparison
from documents.tasks import compare
from tests.library import add
from tests.test_backends import serving
from tests.test_browser import by_a_worker, check_by_axe, faults, signed_in  # noqa: F401 - two are fixtures
from tests.test_index_console import finish

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]
CASE = {"question": "When is the rent due?", "pages": ["rules.md#page=1"]}


@pytest.fixture(params=["pgvector", "azure"])
def backend(request, settings):
    with serving(settings):
        yield request.param


def test_from_a_build_to_a_swap_and_back_on_each_backend(signed_in, asgi_server, staff, backend):  # noqa: F811
    add(staff)
    index, place = default_index(), {"pgvector": "Postgres", "azure": "Azure AI Search"}[backend]
    page = signed_in(staff)

    def looked_at() -> None:
        if backend == "pgvector":  # The pages are the same.
            check_by_axe(page)

    page.goto(f"{asgi_server}/console/indexes/")
    looked_at()
    page.get_by_role("link", name="main").click()
    page.get_by_role("link", name="Build a version").click()
    page.get_by_label("Kept in").select_option(backend)
    page.get_by_label("Passages of so many tokens").fill("60")
    page.get_by_role("button", name="Test and reckon").click()
    looked_at()
    page.get_by_role("button", name="Build it beside the live one").click()
    by_a_worker(finish, index)
    page.get_by_role("heading", name="Version 2 is ready to take the place of version 1.").wait_for()
    looked_at()

    file = {"name": "smoke.jsonl", "mimeType": "application/json", "buffer": json.dumps(CASE).encode()}
    page.get_by_label("Of the last questions").fill("0")
    page.get_by_label("A file of questions").set_input_files(file)
    page.get_by_role("button", name="Compare", exact=True).click()
    by_a_worker(compare, str(VersionComparison.objects.get().pk))
    page.get_by_role("heading", name="Version 2 finds as much as version 1").wait_for()

    swap = page.get_by_role("button", name="Swap to version 2")
    expect(swap).to_be_disabled()
    page.locator("#confirm").fill("main")
    swap.click()
    page.get_by_text("Version 2 is searched from now on.").wait_for()
    index.refresh_from_db()
    assert index.live_version.backend_name == backend
    looked_at()
    page.get_by_role("button", name="Search version 1 again").click()
    page.get_by_text("Version 1 is searched again.").wait_for()
    index.refresh_from_db()
    assert (index.live_version.number, index.live_version.backend_name) == (1, "pgvector")

    page.goto(f"{asgi_server}/console/search/")
    page.get_by_label("Question", exact=True).fill("When is the rent due?")
    page.get_by_text("Settings").click()
    page.get_by_label("Beside it, another setting").check()
    page.locator("#id_version_2").select_option(label=f"main 2 ({place})")
    page.get_by_text("Why not this passage?").click()
    page.get_by_label("Or words of the passage").fill("third working day")
    page.get_by_role("button", name="Search", exact=True).click()
    page.get_by_text("It was found as passage 1").wait_for()
    assert page.get_by_text("third working day").count() >= 2
    looked_at()
