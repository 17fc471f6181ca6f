"""A stream is read as it comes: the first words at once, and then what has come together as one."""

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator, Iterator, Sequence

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from project.provider.errors import Malformed
from project.provider.pieces import Cut, Piece
from project.provider.wire import PAUSE_S, Arriving


class Body(httpx2.AsyncByteStream):
    """One event, and when that was read all others at once."""

    def __init__(self, *events: bytes) -> None:
        self.events, self.is_read = events, asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.events[0]
        await self.is_read.wait()
        for event in self.events[1:]:
            yield event


def words(bodies: Sequence[bytes]) -> Iterator[Piece]:
    for body in bodies:
        if body == b"?":
            raise Malformed("no word")
        yield Cut() if body == b"cut" else body.decode()


def read(*events: bytes) -> list[Piece | Malformed]:
    async def run() -> list[Piece | Malformed]:
        body = Body(*events)
        response = httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=body)
        found: list[Piece | Malformed] = []
        try:
            async for piece in Arriving(response).pieces(words):
                found.append(piece)
                body.is_read.set()
        except Malformed as exc:
            found.append(exc)
        return found

    return asyncio.run(run())


def test_the_first_words_come_alone_and_what_comes_together_after_them_is_one():
    assert read(b"data: In\n\n", b"data: May\n\n", b"data: 3\n\n", b"data: [DONE]\n\n") == ["In", "May3"]


def test_what_is_no_word_keeps_its_place():
    assert read(b"data: In\n\n", b"data: May\n\n", b"data: cut\n\n", b"data: 3\n\n") == ["In", "May", Cut(), "3"]


def test_words_before_a_fault_are_handed_on():
    *said, fault = read(b"data: In\n\n", b"data: May\n\n", b"data: ?\n\n")
    assert said == ["In", "May"] and isinstance(fault, Malformed)


def test_an_event_without_an_end_is_malformed(monkeypatch):
    monkeypatch.setattr("project.provider.wire.EVENT_BYTES_MOST", 10)
    assert isinstance(read(b"data: In\n\n", b"data: " + b"x" * 20)[-1], Malformed)


@pytest.mark.parametrize("last", [b"data: May", b"data: May\n", b"data: May\n\n"])
def test_an_event_that_nothing_ends_is_one_where_its_line_ended(last):
    assert read(b"data: In\n\n", last) == ["In", "May"][: 1 + last.endswith(b"\n")]


class Connection(httpx2.AsyncByteStream):
    """A connection, and the body that is read from it: an event each time."""

    def __init__(self, *events: bytes) -> None:
        self.events, self.read_at = [*events, b""], list[float]()

    async def read(self, most: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - as the package calls it
        self.read_at.append(asyncio.get_running_loop().time())
        await asyncio.sleep(0.001)  # Meanwhile others have their turn, as they have while a service is waited for.
        return self.events.pop(0)

    def get_extra_info(self, name: str) -> None:
        """Nothing is encrypted here."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while event := await self.read(1, timeout=1):
            yield event


def test_a_connection_is_read_at_a_pace_once_there_are_words_and_is_left_as_it_was():
    connection = Connection(b": hello\n\n", b"data: In\n\n", b"data: May\n\n", b"data: 3\n\n")

    async def run() -> list[Piece]:
        extensions = {"network_stream": connection}
        headers = {"content-type": "text/event-stream"}
        response = httpx2.Response(200, headers=headers, stream=connection, extensions=extensions)
        return [piece async for piece in Arriving(response).pieces(words)]

    assert "".join(map(str, asyncio.run(run()))) == "InMay3"
    pauses = [after - before for before, after in zip(connection.read_at, connection.read_at[1:], strict=False)]
    assert [pause >= PAUSE_S * 0.9 for pause in pauses][-2:] == [True, True] and "read" not in vars(connection)


RECORDS = 60


@pytest.fixture
def certificate(tmp_path):
    """A server's own, for this machine, with its key behind it."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now - day, now + day).add_extension(here, True)
    plain = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path / "certificate.pem"
    path.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM) + plain)
    return path


async def read_encrypted(certificate) -> list[Piece]:
    """What is made of an answer whose words are a record each; all but the first are sent at once."""
    come = asyncio.Event()

    async def tell(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\ndata: 0\n\n")
        await come.wait()
        for word in range(1, RECORDS):
            writer.write(f"data: {word}\n\n".encode())
        writer.write(b"data: [DONE]\n\n")
        writer.close()

    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    served.load_cert_chain(certificate)
    server = await asyncio.start_server(tell, "127.0.0.1", 0, ssl=served)
    port = server.sockets[0].getsockname()[1]
    found = list[Piece]()
    trusting = httpx2.AsyncClient(verify=ssl.create_default_context(cafile=str(certificate)))
    async with server, trusting as client, client.stream("GET", f"https://127.0.0.1:{port}/") as response:
        async for piece in Arriving(response).pieces(words):
            found.append(piece)
            come.set()
    return found


def test_what_came_over_an_encrypted_connection_is_read_at_once_though_each_word_is_a_record(certificate):
    found = asyncio.run(read_encrypted(certificate))
    assert "".join(map(str, found)) == "".join(map(str, range(RECORDS)))
    assert len(found) < RECORDS / 2, "each record waited for a pause of its own"
