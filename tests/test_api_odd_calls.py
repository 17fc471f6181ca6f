"""Forms and cursors that no client of good will sends: each is answered with a sentence, and keeps nothing."""

import json

import httpx2
import pytest

from documents.models import Document, Upload
from project.models import ApiKey
from tests.library import RENT, add, shared_collection, upload
from tests.openai_served import client

pytestmark = pytest.mark.django_db(transaction=True)

LINE = "\r\n"
FORM = "multipart/form-data; boundary=edge"


def part(name: str, content: str = "", filename: str | None = None) -> str:
    named = "" if filename is None else f'; filename="{filename}"'
    return LINE.join(["--edge", f'Content-Disposition: form-data; name="{name}"{named}', "", content, ""])


def form(*parts: str) -> bytes:
    return ("".join(parts) + f"--edge--{LINE}").encode()


WHOLE = part("file", RENT.decode(), "rules.md")
PURPOSE = part("purpose", "assistants")
ODD = {  # what is sent: its type, its bytes
    "no boundary": ("multipart/form-data", form(WHOLE, PURPOSE)),
    "a boundary of its own": ("multipart/form-data; boundary=other", form(WHOLE, PURPOSE)),
    "a boundary without end": (f"multipart/form-data; boundary={'e' * 5_000}", form(WHOLE, PURPOSE)),
    "no file": (FORM, form(PURPOSE)),
    "no file name": (FORM, form(part("file", "words"), PURPOSE)),
    "an empty file name": (FORM, form(part("file", "words", ""), PURPOSE)),
    "another field": (FORM, form(part("upload", "words", "rules.md"), PURPOSE)),
    "no bytes": (FORM, form(part("file", "", "rules.md"), PURPOSE)),
    "a file that breaks off": (FORM, form(WHOLE, PURPOSE)[:60]),
    "nothing": (FORM, b""),
    "JSON": ("application/json", json.dumps({"file": "rules.md"}).encode()),
    "a huge field": (FORM, form(WHOLE, part("purpose", "x" * 3_000_000))),
    "many fields": (FORM, form(WHOLE, PURPOSE, *(part(f"f{number}", "x") for number in range(1_200)))),
    "a name with a NUL": (FORM, form(part("file", "words", "a\\x00b\0c.md"), part("purpose", "\0"))),
    "letters that are none": (FORM, form(PURPOSE, part("file", "x", "r.md")).replace(b"purpose", b"purp\xff\xfe")),
}


@pytest.fixture
def post(asgi_server, alice):
    headers = {"api-key": ApiKey.create(alice, requests_a_minute=10_000)[1]}

    def post(path: str, kind: str, body: bytes, **more: str) -> httpx2.Response:
        told = headers | {"Content-Type": kind} | more
        return httpx2.post(f"{asgi_server}{path}", content=body, headers=told, timeout=30)

    return post


def sentence(response) -> str:
    assert 400 <= response.status_code < 500, (response.status_code, response.text[:300])
    return response.json()["error"]["message"]


def test_forms_that_are_none_are_refused_with_a_sentence(post, asgi_server, alice):
    begun = client(asgi_server, alice).uploads.create(
        bytes=9, filename="a.md", mime_type="text/markdown", purpose="assistants"
    )
    for path in ("/v1/files", "/api/documents", f"/v1/uploads/{begun.id}/parts"):
        for name, (kind, body) in ODD.items():
            if name in TAKEN_BY_OURS and path == "/api/documents":
                continue
            assert sentence(post(path, kind, body)), (path, name)
    assert Upload.objects.get().come == 0
    assert not Document.objects.exists()


# Of a form with words beside the file Lectern's own route reads the file alone.
TAKEN_BY_OURS = {"a huge field", "many fields", "a name with a NUL", "letters that are none"}


def test_words_beside_a_file_do_no_harm(post):
    for name in sorted(TAKEN_BY_OURS):
        response = post("/api/documents", *ODD[name])
        assert response.status_code < 500 and (response.status_code < 300 or sentence(response)), name


def test_of_two_files_the_last_is_taken_and_no_other(post):
    two = form(part("file", "first", "one.md"), part("file", "second", "two.md"), PURPOSE)
    assert post("/v1/files", FORM, two).json()["filename"] == "two.md"
    assert Document.objects.get().size == len("second")


def test_a_length_that_is_not_true_ends_the_call_and_nothing_else(post, asgi_server):
    import socket
    from urllib.parse import urlsplit

    where = urlsplit(asgi_server)
    body = form(WHOLE, PURPOSE)
    for length in (str(len(body) + 500), "-5", "x", "9" * 30):
        with socket.create_connection((where.hostname, where.port), timeout=10) as wire:
            head = ["POST /v1/files HTTP/1.1", "Host: testserver", f"Content-Length: {length}", f"Content-Type: {FORM}"]
            wire.sendall(LINE.join([*head, "", ""]).encode() + body)
            wire.shutdown(socket.SHUT_WR)
            answer = wire.recv(200)
        assert not answer or answer.split(b" ")[1][:1] == b"4", (length, answer)
    assert not Document.objects.exists()
    assert post("/v1/files", FORM, body).status_code == 200


def test_cursors_that_are_none_are_refused_by_their_name(asgi_server, alice, charlie):
    mine = add(alice)
    store = mine.collection
    others = shared_collection(charlie, name="Theirs")
    theirs = upload(charlie, collection=others)
    lectern = client(asgi_server, alice, requests_a_minute=10_000)
    gone = lectern.files.create(file=("gone.md", RENT + b"gone"), purpose="assistants").id
    lectern.files.delete(gone)
    first = lectern.responses.create(model="default", input="When is the rent due?").id
    other = lectern.responses.create(model="default", input="And the pets?").id
    foreign = lectern.responses.input_items.list(other).data[0].id
    files = [gone, f"file-{theirs.pk.hex}", f"file-{'0' * 32}", "nonsense", "file-", "\0", "'; --", "é" * 500, " "]
    stores = [f"vs_{others.pk.hex}", f"vs_{'f' * 32}", "vs_", f"file-{mine.pk.hex}", "\0"]
    lists = {
        "/v1/files": files,
        f"/v1/vector_stores/vs_{store.pk.hex}/files": files,
        "/v1/vector_stores": stores,
        f"/v1/responses/{first}/input_items": [foreign, "msg_nothing", "\0"],
    }
    headers = {"Authorization": f"Bearer {lectern.api_key}"}
    for path, cursors in lists.items():
        for cursor in cursors:
            for name in ("after", "before") if "vector_stores" in path else ("after",):
                response = httpx2.get(f"{asgi_server}{path}", params={name: cursor}, headers=headers)
                assert (response.status_code, response.json()["error"]["param"]) == (400, name), (path, cursor)
        for name, value in [("limit", "0"), ("limit", "-1"), ("limit", "x"), ("limit", "9" * 30), ("order", "up")]:
            response = httpx2.get(f"{asgi_server}{path}", params={name: value}, headers=headers)
            assert (response.status_code, response.json()["error"]["param"]) == (400, name), (path, name, value)
