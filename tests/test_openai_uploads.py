"""`/v1/uploads` through OpenAI's own clients: a file in parts becomes a file like any other."""

import asyncio
import hashlib
from datetime import timedelta

import httpx2
import openai
import pytest
from django.utils import timezone

from documents.models import Upload
from documents.openai_api.ids import PART, UPLOAD, private, public
from project.models import ApiKey
from tests.library import RENT, shared_collection
from tests.openai_served import async_client, client, read_all

pytestmark = pytest.mark.django_db(transaction=True)
MD5 = hashlib.md5(RENT, usedforsecurity=False).hexdigest()


@pytest.fixture
def lectern(asgi_server, alice):
    return client(asgi_server, alice)


def begin(lectern, size: int = len(RENT), **more):
    facts = {"bytes": size, "filename": "rules.md", "mime_type": "text/markdown", "purpose": "assistants"}
    return lectern.uploads.create(**facts | more)


def test_a_file_sent_in_parts_is_read_and_answered_from(lectern, tmp_path):
    path = tmp_path / "rules.md"
    path.write_bytes(RENT)
    upload = lectern.uploads.upload_file_chunked(
        file=path, mime_type="text/markdown", purpose="assistants", part_size=20, md5=MD5
    )
    assert (upload.status, upload.file.filename, upload.file.bytes) == ("completed", "rules.md", len(RENT))
    assert lectern.files.content(upload.file.id).content == RENT
    assert not Upload.objects.get().folder.exists()
    read_all()
    assert "third working day" in lectern.responses.create(model="default", input="When is the rent due?").output_text


def test_asynchronous_clients_send_parts_alike(asgi_server, alice):
    async def sent():
        async with async_client(asgi_server, alice) as lectern:
            facts = {"filename": "rules.md", "bytes": len(RENT), "mime_type": "text/markdown", "purpose": "user_data"}
            return await lectern.uploads.upload_file_chunked(file=RENT, part_size=50, **facts)

    assert asyncio.run(sent()).file.purpose == "user_data"


def test_parts_are_put_together_in_the_order_that_is_named(lectern):
    upload = begin(lectern)
    second, first = (lectern.uploads.parts.create(upload.id, data=data).id for data in (RENT[30:], RENT[:30]))
    whole = lectern.uploads.complete(upload.id, part_ids=[first, second])
    assert lectern.files.content(whole.file.id).content == RENT


def test_what_is_called_off_or_too_late_keeps_nothing(lectern):
    called_off, late, left = (begin(lectern) for _ in range(3))
    for upload in (called_off, late, left):
        lectern.uploads.parts.create(upload.id, data=RENT[:10])
    assert lectern.uploads.cancel(called_off.id).status == "cancelled"
    Upload.objects.filter(pk=private(UPLOAD, late.id)).update(expires_at=timezone.now() - timedelta(seconds=1))
    for upload, word in ((called_off, "cancelled"), (late, "expired")):
        with pytest.raises(openai.BadRequestError, match=word):
            lectern.uploads.parts.create(upload.id, data=b"x")
    folders = [each.folder for each in Upload.objects.all()]
    Upload.objects.filter(pk=private(UPLOAD, left.id)).delete()  # as with its person
    Upload.objects.sweep()
    assert [folder.exists() for folder in folders] == [False] * 3
    Upload.objects.update(expires_at=timezone.now() - timedelta(days=2))
    Upload.objects.sweep()
    assert not Upload.objects.exists()


def test_what_does_not_fit_together_is_refused_by_its_name(lectern, settings):
    upload = begin(lectern)
    part = lectern.uploads.parts.create(upload.id, data=RENT[:-1]).id
    unknown = public(PART, private(UPLOAD, upload.id))
    settings.UPLOAD_MAX_BYTES = 1_000

    def complete(*parts: str, **more):
        return lectern.uploads.complete(upload.id, part_ids=list(parts), **more)

    for call, param in [
        (lambda: begin(lectern, 1_001), "bytes"),
        (lambda: begin(lectern, 0), "bytes"),
        (lambda: begin(lectern, purpose="batch"), "purpose"),
        (lambda: begin(lectern, expires_after={"anchor": "created_at", "seconds": 3600}), "expires_after"),
        (lambda: lectern.uploads.parts.create(upload.id, data=RENT), "data"),
        (lambda: lectern.uploads.parts.create(upload.id, data=b""), "data"),
        (lambda: complete(part), "part_ids"),
        (lambda: complete(part, part), "part_ids"),
        (lambda: complete(unknown), "part_ids"),
        (lambda: complete("part_../../x"), "part_ids"),
    ]:
        with pytest.raises(openai.BadRequestError) as refused:
            call()
        assert refused.value.param == param, refused.value
    last = lectern.uploads.parts.create(upload.id, data=RENT[-1:]).id
    with pytest.raises(openai.BadRequestError, match="sum"):
        complete(part, last, md5="0" * 32)
    assert complete(part, last, md5=MD5).status == "completed"


def test_an_upload_is_its_own_persons_alone(asgi_server, lectern, alice, bob):
    upload = begin(lectern)
    narrowed = client(asgi_server, alice, collection_ids=[shared_collection(alice).pk])
    with pytest.raises(openai.NotFoundError):
        client(asgi_server, bob).uploads.parts.create(upload.id, data=b"x")
    with pytest.raises(openai.PermissionDeniedError):
        begin(narrowed)
    reader = {"api-key": ApiKey.create(alice, scope="read")[1]}
    assert httpx2.post(f"{asgi_server}/v1/uploads/{upload.id}/cancel", headers=reader).status_code == 403


def test_no_more_are_under_way_than_may_be(lectern):
    for _ in range(20):
        begin(lectern)
    with pytest.raises(openai.RateLimitError, match="as many as may be"):
        begin(lectern)
