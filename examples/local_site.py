"""A small site on this machine, without a cloud: folder, password, configuration, a command, an API.

The API is a small server that it starts on a free loopback port. It fails if
anything is not as it says.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import iaclib as iac
from iaclib.local import Command, Directory, File, HttpResource, RandomId, RandomPassword

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "let-me-in"


class Site(iac.Stack):
    """A folder with a page and a configuration, and the site's entry in a registry of names."""

    root: str
    registry: str
    title: str = "Hello"

    def build(self) -> None:
        """Declare it all; f-strings carry what is known only after the apply."""
        folder = Directory("folder", path=self.root)
        password = RandomPassword("password", length=24)
        release = RandomId("release", byte_length=4, keepers={"title": self.title})
        page = File("page", path=f"{folder.id}/index.html", content=f"<h1>{self.title}</h1>\n", mode="0644")
        config = File(
            "config",
            path=f"{folder.id}/site.ini",
            content=f"[site]\nrelease = {release.hex}\npage = {page.sha256}\npassword = {password.result}\n",
        )
        packed = Command(
            "packed",
            create=["tar", "-cf", "site.tar", "index.html"],
            update=["tar", "-cf", "site.tar", "index.html"],
            read=["test", "-e", "site.tar"],
            delete=["rm", "-f", "site.tar"],
            environment={"RELEASE": release.hex},
            cwd=folder.id,
            opts=iac.Options(depends_on=(page,)),
        )
        name = HttpResource(
            "name",
            base_url=self.registry,
            headers={"Authorization": iac.secret(f"Bearer {KEY}")},
            create={"url": "/names"},
            read={"url": "/names/{id}"},
            update={"url": "/names/{id}"},
            delete={"url": "/names/{id}"},
            find={"url": "/names", "match": {"ref": "{token}"}},
            body={"title": self.title, "release": release.hex, "ref": "{token}"},
            outputs={"address": "address"},
            opts=iac.Options(depends_on=(packed,)),
        )
        self.export(address=name.values["address"], config=config.id, password=password.result)


def title(text: str) -> None:
    print(f"\n{text}\n{'-' * len(text)}")


def check(what_holds: bool, what: str) -> None:
    if not what_holds:
        sys.exit(f"not so: {what}")
    print(f"  ok: {what}")


@contextmanager
def registry() -> Iterator[tuple[str, dict[str, Any]]]:
    """Serve a registry of names; give its URL and what it holds."""
    names: dict[str, Any] = {}

    class Server(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            id = self.path.removeprefix("/names").strip("/")
            if self.headers.get("Authorization") != f"Bearer {KEY}":
                return self.say(401, {"error": "who are you?"})
            if not id and self.command == "GET":
                return self.say(200, list(names.values()))
            if self.command == "POST":
                id = f"n{len(names) + 1}"
                names[id] = {**json.loads(body), "id": id, "address": f"{id}.example.test"}
            elif id not in names:
                return self.say(404, None)
            elif self.command == "PUT":
                names[id] |= json.loads(body)
            elif self.command == "DELETE":
                return self.say(200, names.pop(id))
            return self.say(200, names[id])

        do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - http.server's names

        def say(self, status: int, answer: Any) -> None:
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", names
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def life(url: str, names: dict[str, Any], folder: Path) -> None:
    """Live through the site's life."""
    root = folder / "site"
    state = folder / "state.db"
    with iac.Engine(state=f"sqlite:///{state}") as engine:
        title("Apply")
        site = Site("prod", root=str(root), registry=url)
        run = engine.apply(site)
        for step in run.steps:
            print(f"  {step.action} {step.address}")
        password = run.outputs["password"].reveal()
        check(f"password = {password}\n" in (root / "site.ini").read_text(), "the password stands in the configuration")
        stored = b"".join(path.read_bytes() for path in folder.glob("state.db*"))
        check(password.encode() not in stored, "and in state only sealed")
        check(run.outputs["address"] == "n1.example.test", "the registry's answer is an output")
        check((root / "site.tar").exists(), "the command has packed the page")
        check(not engine.plan(site, refresh=True), "a second plan is empty")

        title("Drift: somebody edits the page")
        (root / "index.html").write_text("<h1>Mine</h1>\n")
        print(engine.drift("site/prod"))
        engine.apply(engine.plan(site, refresh=True))
        check("Hello" in (root / "index.html").read_text(), "the page is as declared again")

        title("A change: another title")
        changed = Site("prod", root=str(root), registry=url, title="Goodbye")
        plan = engine.plan(changed)
        print(plan)
        check(plan.change("release").action == "replace", "a new title is a new release")
        engine.apply(plan)
        check(names["n1"]["title"] == "Goodbye", "the registry knows it")
        check(names["n1"]["release"] in (root / "site.ini").read_text(), "and the same release as the configuration")

        title("Destroy")
        for step in engine.destroy("site/prod").steps:
            print(f"  {step.action} {step.address}")
        check(not root.exists() and not names, "nothing is left")


if __name__ == "__main__":
    os.environ["no_proxy"] = "127.0.0.1"
    with registry() as (address, held), tempfile.TemporaryDirectory() as work:
        life(address, held, Path(work))
    print("\nAll of it held.")
