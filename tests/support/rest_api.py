"""A small REST API on loopback, with faults on demand.

Three collections: ``/things`` draws ids and knows no idempotency, ``/once``
honours the Idempotency-Key, ``/named`` takes ids from its callers.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import attrs


@attrs.define
class Fault:
    """What goes wrong with the next requests of a method.

    Args:
        status: Answered instead; 0 drops the connection.
        late: Do what was asked before failing.
    """

    method: str
    status: int
    times: int = 1
    late: bool = False
    headers: dict[str, str] = attrs.field(factory=dict)
    text: str = ""


@attrs.define(eq=False)
class Api:
    """The server's whole state, for tests to look at and change."""

    url: str = ""
    store: dict[str, dict[str, Any]] = attrs.field(factory=dict)  # path -> object
    keys: dict[str, str] = attrs.field(factory=dict)  # idempotency key -> path
    log: list[tuple[str, str]] = attrs.field(factory=list)  # (method, path) in order
    headers: list[dict[str, str]] = attrs.field(factory=list)
    faults: list[Fault] = attrs.field(factory=list)
    drawn: int = 0

    def writes(self) -> list[tuple[str, str]]:
        """List what was asked for besides reading."""
        return [one for one in self.log if one[0] != "GET"]

    def fault(self, method: str) -> Fault | None:
        """Take the fault that the next request of a method meets."""
        for fault in self.faults:
            if fault.method == method and fault.times:
                fault.times -= 1
                return fault
        return None

    def perform(self, method: str, target: str, body: Any, key: str) -> tuple[int, Any]:
        """Do what a request asks for: status and answer."""
        url = urlsplit(target)
        path, query = url.path.rstrip("/"), dict(parse_qsl(url.query))
        if path.count("/") > 1:
            return self._object(method, path, body)
        if method == "GET":
            found = [one for where, one in self.store.items() if where.startswith(f"{path}/")]
            return 200, {"data": [one for one in found if query.items() <= one.items()]}
        if path == "/once" and key in self.keys:
            return 200, {"data": self.store[self.keys[key]]}
        self.drawn += 1
        id = body["name"] if path == "/named" else self.drawn
        where = f"{path}/{id}"
        if where in self.store:
            return 409, {"error": f"{id} exists"}
        self.store[where] = {**(body or {}), "id": id, "etag": self.drawn}
        self.keys[key] = where
        return 201, {"data": self.store[where], "once": f"key of {id}"}

    def _object(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if path not in self.store:
            return 404, {"error": "not found"}
        if method == "DELETE":
            del self.store[path]
            return 204, None
        if method == "PUT":
            self.drawn += 1
            self.store[path] = {**body, "id": self.store[path]["id"], "etag": self.drawn}
        return 200, {"data": self.store[path]}


@contextmanager
def serving() -> Iterator[Api]:
    """Serve an API while the block runs."""
    api = Api()

    class Server(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            raw = self.rfile.read(length)
            api.log.append((self.command, self.path))
            api.headers.append({name.lower(): value for name, value in self.headers.items()})
            fault = api.fault(self.command)
            body = json.loads(raw) if raw else None
            status, answer, headers, text = 0, None, {}, ""
            if fault is None or fault.late:
                status, answer = api.perform(self.command, self.path, body, self.headers.get("Idempotency-Key") or "")
                headers = {"Location": f"{self.path}/{answer['data']['id']}"} if status == 201 else {}
            if fault is not None:
                status, answer, headers, text = fault.status, None, fault.headers, fault.text
            if status == 0:
                self.close_connection = True
                self.connection.close()
                return
            data = text.encode() or (b"" if answer is None else json.dumps(answer).encode())
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = answer  # noqa: N815 - http.server's names

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: tests look at ``api.log``."""

        def handle(self) -> None:
            try:
                super().handle()
            except (OSError, ValueError):
                self.close_connection = True  # we, or a killed client, dropped it

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.daemon_threads = True
    api.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
