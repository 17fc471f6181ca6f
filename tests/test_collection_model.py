"""A collection may have a model of its own, which answers what is put to it alone."""

import pytest

from documents.models import Collection
from tests.asking import end_of
from tests.fake_openai import Reply
from tests.library import add, shared_collection
from tests.test_door import service, two

__all__ = ["service", "two"]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def rules(alice, two, service):
    collection = shared_collection(alice, name="Rules")
    add(alice, collection=collection)
    Collection.objects.filter(pk=collection.pk).update(deployment="second")
    service.replies = [Reply(pieces=["The rent is due in May. [1]"]) for _ in range(3)]
    return collection


def test_a_question_to_the_collection_alone_is_answered_by_its_model(alice, rules):
    assert end_of(alice, collections=[rules.pk]).model == "second"


def test_a_question_to_everything_is_answered_by_the_default_model(alice, rules):
    assert end_of(alice).model == "first"


def test_collections_that_do_not_agree_are_answered_by_the_default_model(alice, rules):
    other = shared_collection(alice, name="Other")
    assert end_of(alice, collections=[rules.pk, other.pk]).model == "first"


def test_a_model_that_somebody_chose_answers_whatever_the_collection_says(alice, rules):
    assert end_of(alice, collections=[rules.pk], deployment="first").model == "first"


def test_only_a_model_that_is_set_up_can_be_given_to_a_collection(client, staff, rules):
    staff.is_superuser = True
    staff.save()
    client.force_login(staff)
    page = f"/admin/documents/collection/{rules.pk}/change/"
    assert '<option value="second" selected>' in client.get(page).content.decode()
    given = {"name": "Rules", "owner": rules.owner_id, "index": rules.index_id, "metadata": "{}", "deployment": "third"}
    inline = {"memberships-TOTAL_FORMS": 0, "memberships-INITIAL_FORMS": 0}
    refused = client.post(page, given | inline)
    assert refused.status_code == 200 and "third" in refused.content.decode()
    assert client.post(page, given | inline | {"deployment": ""}).status_code == 302
    rules.refresh_from_db()
    assert rules.deployment == ""
