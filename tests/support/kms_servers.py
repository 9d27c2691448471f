"""Key services on loopback: Google Cloud KMS over REST, and Azure Key Vault over TLS.

Each does what the service documents of encrypting and decrypting, and nothing
else; ``refusing`` are the operations that are answered by 403, ``down`` lets
every request end without an answer that helps.
"""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import json
import os
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import attrs
import google_crc32c
from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.x509.oid import NameOID

_OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
Answer = tuple[int, dict[str, Any]]


@attrs.define(eq=False)
class Service:
    """What a test may look at and change."""

    url: str = ""
    requests: list[tuple[str, dict[str, Any]]] = attrs.field(factory=list)
    refusing: set[str] = attrs.field(factory=set)
    down: bool = False
    keys: dict[str, Any] = attrs.field(factory=dict)


@contextmanager
def google_kms() -> Iterator[Service]:
    """Run a Cloud KMS that makes each key that it is asked for."""
    service = Service()

    def answer(path: str, body: dict[str, Any]) -> Answer:
        name, _, operation = path.removeprefix("/v1/").partition("?")[0].rpartition(":")
        if operation in service.refusing:
            return 403, {"error": {"code": 403, "message": f"{operation} denied", "status": "PERMISSION_DENIED"}}
        key = service.keys.setdefault(name, os.urandom(32))
        bound = base64.b64decode(body.get("additionalAuthenticatedData", ""))
        if operation == "encrypt":
            nonce = os.urandom(12)
            sealed = nonce + AESGCM(key).encrypt(nonce, base64.b64decode(body["plaintext"]), bound)
            return 200, {
                "name": f"{name}/cryptoKeyVersions/1",
                "ciphertext": base64.b64encode(sealed).decode(),
                "ciphertextCrc32c": str(google_crc32c.value(sealed)),
                "verifiedPlaintextCrc32c": True,
                "verifiedAdditionalAuthenticatedDataCrc32c": True,
            }
        sealed = base64.b64decode(body["ciphertext"])
        try:
            opened = AESGCM(key).decrypt(sealed[:12], sealed[12:], bound)
        except InvalidTag:
            return 400, {"error": {"code": 400, "message": "Decryption failed", "status": "INVALID_ARGUMENT"}}
        return 200, {
            "plaintext": base64.b64encode(opened).decode(),
            "plaintextCrc32c": str(google_crc32c.value(opened)),
        }

    with _serving(service, answer, "http"):
        yield service


@contextmanager
def azure_vault(folder: Path) -> Iterator[tuple[Service, str]]:
    """Run a Key Vault; gives it and the file of the certificate to trust."""
    service = Service()

    def answer(path: str, body: dict[str, Any]) -> Answer:
        _, _, name, *rest = path.partition("?")[0].split("/")
        operation = rest[-1] if rest and rest[-1] in ("wrapkey", "unwrapkey") else "get"
        if operation in service.refusing:
            return 403, {"error": {"code": "Forbidden", "message": f"{operation} denied"}}
        key = service.keys.setdefault(name, rsa.generate_private_key(65537, 2048))
        kid = f"{service.url}/keys/{name}/v1"
        if operation == "get":
            numbers = key.public_key().public_numbers()
            told = {"kid": kid, "kty": "RSA", "key_ops": ["wrapKey", "unwrapKey"]}
            return 200, {"key": {**told, "n": _text(numbers.n), "e": _text(numbers.e)}, "attributes": {"enabled": True}}
        value = base64.urlsafe_b64decode(body["value"] + "==")
        try:
            done = key.public_key().encrypt(value, _OAEP) if operation == "wrapkey" else key.decrypt(value, _OAEP)
        except ValueError:
            return 400, {"error": {"code": "BadParameter", "message": "it does not open"}}
        return 200, {"kid": kid, "value": base64.urlsafe_b64encode(done).decode().rstrip("=")}

    trusted = _certificate(folder)
    with _serving(service, answer, "https", trusted):
        yield service, str(trusted)


def _text(number: int) -> str:
    data = number.to_bytes((number.bit_length() + 7) // 8)
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _certificate(folder: Path) -> Path:
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "vault.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


@contextmanager
def _serving(
    service: Service, answer: Callable[[str, dict[str, Any]], Answer], scheme: str, certificate: Path | None = None
) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            given = json.loads(body or b"{}")
            service.requests.append((self.path, given))
            if service.down:
                self._say(500, {"error": {"code": 500, "message": "it is down", "status": "INTERNAL"}})
            elif scheme == "https" and not self.headers.get("Authorization"):
                challenge = 'Bearer authorization="https://login.example/tenant", resource="https://vault.example"'
                self._say(401, {}, {"WWW-Authenticate": challenge})
            else:
                self._say(*answer(self.path, given))

        do_GET = do_POST  # noqa: N815 - the library's name

        def _say(self, status: int, told: dict[str, Any], headers: dict[str, str] | None = None) -> None:
            data = json.dumps(told).encode()
            self.send_response(status)
            for name, value in {**(headers or {}), "Content-Type": "application/json"}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    service.url = f"{scheme}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
