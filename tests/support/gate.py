"""A gate before a server of objects: it passes requests on, and denies kinds of them as the service itself does."""

from __future__ import annotations

import http.client
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

READ, WRITE, DELETE, LIST = "get", "put", "delete", "list"
KINDS = (LIST, READ, WRITE, DELETE)

#: What each service says of a request that the credentials don't allow.
DENIED = {"s3": (403, "AccessDenied"), "gs": (403, "forbidden"), "azblob": (403, "AuthorizationPermissionMismatch")}

_HOPS = {"connection", "keep-alive", "transfer-encoding", "content-length"}


def kind_of(service: str, method: str, target: str) -> str:
    """Tell what a request asks for."""
    parts = urlsplit(target)
    query = parse_qs(parts.query)
    if method in ("GET", "HEAD"):
        listing = {
            "s3": "list-type" in query,
            "gs": parts.path.rstrip("/").endswith("/o"),
            "azblob": query.get("comp") == ["list"],
        }
        return LIST if listing[service] else READ
    return DELETE if method == "DELETE" else WRITE


def said(service: str, status: int, code: str, message: str = "m", extra: str = "") -> tuple[dict[str, str], bytes]:
    """Word an error as the service does: its headers and its body."""
    if service == "gs":
        error = {"code": status, "message": message, "errors": [{"reason": code, "message": message}]}
        return {"Content-Type": "application/json"}, json.dumps({"error": error}).encode()
    text = (
        f"<?xml version='1.0' encoding='utf-8'?><Error><Code>{code}</Code><Message>{message}</Message>{extra}</Error>"
    )
    return {"Content-Type": "application/xml", "x-ms-error-code": code}, text.encode()


@attrs.define(eq=False)
class Gate:
    """What a test may look at and change."""

    service: str
    target: tuple[str, int]
    url: str = ""
    denying: set[str] = attrs.field(factory=set)
    answer: tuple[int, str] = (403, "")
    denied: list[str] = attrs.field(factory=list)
    passed: list[str] = attrs.field(factory=list)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def pass_on(self) -> None:
        gate: Gate = self.server.gate  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind = kind_of(gate.service, self.command, self.path)
        if kind in gate.denying:
            gate.denied.append(kind)
            headers, data = said(gate.service, *gate.answer)
            self._reply(gate.answer[0], headers, data)
            return
        gate.passed.append(kind)
        there = http.client.HTTPConnection(*gate.target, timeout=30)
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in (*_HOPS, "expect")}
            there.request(self.command, self.path, body or None, headers)
            answer = there.getresponse()
            self._reply(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            there.close()

    def _reply(self, status: int, headers: dict[str, str], data: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in _HOPS:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = pass_on  # noqa: N815 - the names that the base class looks for

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def gate(service: str, url: str) -> Iterator[Gate]:
    """Put a gate before the server at a URL while the block runs."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    made = Gate(service, (parts.hostname, parts.port), answer=DENIED[service])
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.gate = made  # type: ignore[attr-defined]
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
