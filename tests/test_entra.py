"""Tokens of another issuer: whose they are, and which are no good."""

import time
from types import SimpleNamespace

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.contrib.auth.models import User

from documents.api import events
from project import entra
from project.models import ApiKey, AuditEvent, OuterIdentity
from tests.conftest import person
from tests.fake_issuer import AUDIENCE, Issuer
from tests.library import add

pytestmark = pytest.mark.django_db


@pytest.fixture
def issuer(settings):
    running = Issuer()
    settings.ENTRA_ISSUER, settings.ENTRA_AUDIENCES = running.address, [AUDIENCE]
    entra._keys.cache_clear()
    entra._asked_again_at.clear()
    yield running
    running.close()


def status(client, token: str) -> int:
    return client.get("/api/documents", headers={"Authorization": f"Bearer {token}"}).status_code


def test_a_token_opens_what_its_person_may_read(client, alice, issuer):
    add(alice)
    response = client.get("/api/documents", headers={"Authorization": f"Bearer {issuer.token()}"})
    assert [row["name"] for row in response.json()] == ["rules.md"]
    assert response["x-ratelimit-limit-requests"]


def test_nothing_is_taken_for_a_token_when_no_issuer_is_set_up(client, alice, issuer, settings):
    settings.ENTRA_ISSUER = ""
    assert status(client, issuer.token()) == 401 and issuer.asked == []


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "api://another"},
        {"aud": None},
        {"iss": "https://login.example.org/v2.0"},
        {"iss": None},
        {"exp": int(time.time()) - 3_600},
        {"exp": None},
        {"nbf": int(time.time()) + 3_600},
        {"key": rsa.generate_private_key(public_exponent=65537, key_size=2048)},
        {"kid": "two"},
        {"alg": "HS256", "key": "a secret of more than thirty-two letters"},
        {"alg": "none", "key": ""},
        {"oid": "9-charlie", "preferred_username": "charlie@example.org"},
        {"preferred_username": None},
    ],
    ids="-".join,
)
def test_a_token_that_is_not_good_opens_nothing(client, alice, issuer, changes):
    assert status(client, issuer.token(**changes)) == 401
    assert not OuterIdentity.objects.exists()


def test_the_public_key_is_no_secret_to_sign_with(client, alice, issuer):
    """The old confusion: a token said to be signed by a shared secret, which is the key that everybody can read."""
    import base64
    import hashlib
    import hmac
    import json

    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = issuer.keys["one"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "kid": "one"}).encode()).rstrip(b"=")
    signed = head + b"." + issuer.token().split(".")[1].encode()
    mark = base64.urlsafe_b64encode(hmac.new(public, signed, hashlib.sha256).digest()).rstrip(b"=")
    assert status(client, (signed + b"." + mark).decode()) == 401


@pytest.mark.parametrize("nonsense", ["a.b.c", "..", "é.é.é", "eyJ.eyJ.x" * 50])
def test_what_is_no_token_at_all_is_no_fault_of_ours(client, issuer, nonsense):
    assert status(client, nonsense.encode().decode("latin-1")) == 401
    assert issuer.asked == []


def test_nobody_is_asked_for_keys_because_of_a_token_for_somebody_else(client, issuer):
    status(client, issuer.token(aud="api://another"))
    assert issuer.asked == []


def test_keys_are_fetched_once_for_many_calls(client, alice, issuer):
    assert {status(client, issuer.token()) for _ in range(3)} == {200}
    assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]


def test_an_issuer_that_is_away_is_left_alone_for_a_while(client, alice, issuer):
    issuer.close()
    assert status(client, issuer.token()) == 503
    again = Issuer(port=issuer.server.server_port)
    again.keys = issuer.keys
    try:
        assert (status(client, again.token()), again.asked) == (503, [])
        entra._asked_again_at.clear()  # The while is over.
        assert status(client, again.token()) == 200
    finally:
        again.close()


@pytest.mark.django_db(transaction=True)
def test_a_stream_ends_when_the_person_behind_a_token_is_let_out(alice):
    call = SimpleNamespace(auth=ApiKey(user=alice), user=alice)
    assert events._look(call, (0, 0)) == []
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert events._look(call, (0, 0)) is None


def test_who_a_person_is_stays_settled_when_their_address_passes_to_somebody_else(client, alice, issuer):
    status(client, issuer.token())
    person("bob2", is_staff=False)
    token = issuer.token(preferred_username="bob2@example.org")
    assert status(client, token) == 200
    assert OuterIdentity.objects.get().user == alice


def test_an_address_that_two_accounts_have_is_nobodys(client, alice, issuer):
    User.objects.create_user("alice2", "Alice@example.org", "x")
    assert status(client, issuer.token()) == 401


def test_an_address_that_anybody_could_have_signed_up_with_proves_nothing(client, alice, issuer, settings):
    settings.ACCOUNT_OPEN_FOR_SIGNUP = True
    assert status(client, issuer.token()) == 401


def test_somebody_new_is_let_in_only_where_a_setting_says_so(client, issuer, settings):
    token = issuer.token(oid="9", preferred_username="dora@example.org")
    assert status(client, token) == 401
    settings.ENTRA_NEW_PEOPLE = True
    assert status(client, token) == 200
    dora = User.objects.get(username="dora@example.org")
    assert not dora.has_usable_password() and AuditEvent.objects.get().action == "identity.create"


def test_somebody_who_left_is_not_let_in(client, alice, issuer):
    User.objects.update(is_active=False)
    assert status(client, issuer.token()) == 401


def test_an_issuer_that_does_not_answer_is_told_of(client, alice, issuer):
    issuer.close()
    response = client.get("/api/documents", headers={"Authorization": f"Bearer {issuer.token()}"})
    assert (response.status_code, response["Retry-After"]) == (503, "60")


def test_the_fake_signs_as_the_issuer_says(issuer):
    from jwt import PyJWKClient

    key = PyJWKClient(f"{issuer.address}/keys").get_signing_key_from_jwt(issuer.token())
    assert jwt.decode(issuer.token(), key.key, algorithms=["RS256"], audience=AUDIENCE)["oid"] == "7c0e-alice"
