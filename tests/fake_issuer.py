"""An issuer of tokens, as OpenID Connect Discovery 1.0 and RFC 7517 have it: a document, keys, and what they sign."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

AUDIENCE = "api://lectern"


class Issuer:
    """A running one; `asked` says which of its addresses were called."""

    def __init__(self, port: int = 0) -> None:
        self.asked: list[str] = []
        self.keys = {"one": rsa.generate_private_key(public_exponent=65537, key_size=2048)}
        self.server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def token(self, *, kid: str = "one", key=None, alg: str = "RS256", **changes) -> str:
        """A good one, but for the changes; a claim that is changed to None is left out."""
        now = int(time.time())
        claims = {
            "iss": self.address, "aud": AUDIENCE, "sub": "pairwise-1", "oid": "7c0e-alice", "iat": now, "nbf": now,
            "exp": now + 600, "preferred_username": "alice@example.org",
        } | changes  # fmt: skip
        good = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(good, self.keys["one"] if key is None else key, algorithm=alg, headers={"kid": kid})

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def _handler(issuer):  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked.append(self.path)
                if self.path == "/.well-known/openid-configuration":
                    return self._send({"issuer": issuer.address, "jwks_uri": f"{issuer.address}/keys"})
                jwks = [
                    json.loads(RSAAlgorithm.to_jwk(key.public_key())) | {"kid": kid, "use": "sig", "alg": "RS256"}
                    for kid, key in issuer.keys.items()
                ]
                return self._send({"keys": jwks})

            def _send(self, body: dict) -> None:
                data = json.dumps(body).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args) -> None:
                pass

        return Handler
