"""What 200 resources cost in calls on AWS's protocols, and in time where each call takes 50 ms.

The real boto3 talks over HTTP to moto, through a relay that counts requests
and holds each one up. Beside the wall time stands the critical path: the
longest chain of steps that wait for each other, which no order can beat.
Printed, and nothing is asserted. Run with ``nox -s bench -- --aws``.
"""

from __future__ import annotations

import http.client
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import iaclib as iac
from iaclib import aws
from iaclib.aws import ec2, iam, logs, sns, sqs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from iaclib.execute.run import Run

LATENCY = 0.05  # seconds a call
REGION = "eu-west-1"
_SERVICE = re.compile(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/")
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


class Relay(ThreadingHTTPServer):
    """Passes requests on to moto, counted and late."""

    daemon_threads = True

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _Relayed)
        self.target = urlsplit(target)
        self.latency = 0.0
        self.calls: Counter[str] = Counter()
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"


class _Relayed(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Relay

    def setup(self) -> None:
        super().setup()
        assert self.server.target.hostname
        self._moto = http.client.HTTPConnection(self.server.target.hostname, self.server.target.port)

    def finish(self) -> None:
        self._moto.close()
        super().finish()

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.server.lock:
            self.server.calls[_named(self.headers, body, self.command)] += 1
        time.sleep(self.server.latency)
        self._moto.request(self.command, self.path, body, dict(self.headers.items()))
        answer = self._moto.getresponse()
        data = answer.read()
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in {"content-length", "transfer-encoding", "connection"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _pass  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None:
        pass


def _named(headers: http.client.HTTPMessage, body: bytes, method: str) -> str:
    found = _SERVICE.search(headers.get("Authorization", ""))
    service = found[1] if found else "?"
    action = (
        headers.get("X-Amz-Target", "").rpartition(".")[2]
        or parse_qs(body.decode("latin-1")).get("Action", [method])[0]
    )
    return f"{service}:{action}"


class Mixed(iac.Stack, project="bench"):
    """Two hundred resources of eleven types, three levels deep."""

    label: str = "one"

    def build(self) -> None:
        """Declare them."""
        tags = {"Label": self.label}
        for n in range(4):
            vpc = ec2.VPC(f"vpc{n}", cidr_block=f"10.{n}.0.0/16", tags=tags)
            routes = ec2.RouteTable(f"routes{n}", vpc_id=vpc.id, tags=tags)
            for k in range(8):
                subnet = ec2.Subnet(f"subnet{n}-{k}", vpc_id=vpc.id, cidr_block=f"10.{n}.{k}.0/24", tags=tags)
                ec2.SubnetRouteTableAssociation(f"assoc{n}-{k}", route_table_id=routes.id, subnet_id=subnet.id)
                ec2.SecurityGroup(f"group{n}-{k}", vpc_id=vpc.id, group_description="bench", tags=tags)
        for n in range(24):
            ec2.Volume(f"volume{n}", availability_zone=f"{REGION}a", size=8, tags=tags)
            sqs.Queue(f"queue{n}", tags=tags)
            sns.Topic(f"topic{n}", tags=tags)
        for n in range(12):
            role = iam.Role(f"role{n}", assume_role_policy_document=_TRUST, tags=tags)
            iam.InstanceProfile(f"profile{n}", roles=[role.id])
        for n in range(8):
            logs.LogGroup(f"logs{n}", tags=tags)


@contextmanager
def _moto() -> Iterator[str]:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-c", "from moto.server import main; main()", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def _critical_path(run: Run, engine: iac.Engine) -> float:
    """Give the seconds of the longest chain of steps, by what each one waited for."""
    records = engine.snapshot("bench/prod").records
    seconds = {step.address: step.seconds for step in run.steps}
    longest: dict[str, float] = {}
    for address in records:  # a record's dependencies may come after it
        _longest(address, records, seconds, longest)
    return max(longest.values(), default=0.0)


def _longest(address: str, records: object, seconds: dict[str, float], longest: dict[str, float]) -> float:
    if address not in longest:
        needed = records[address].dependencies  # type: ignore[index]
        longest[address] = seconds.get(address, 0.0) + max(
            (_longest(one, records, seconds, longest) for one in needed), default=0.0
        )
    return longest[address]


def main() -> None:
    """Print calls and times."""
    os.environ |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}
    with _moto() as moto, tempfile.TemporaryDirectory() as folder:
        relay = Relay(moto)
        threading.Thread(target=relay.serve_forever, daemon=True).start()
        provider = aws.Provider(region=REGION, endpoint_url=relay.url)
        engine = iac.Engine(state=f"sqlite:///{Path(folder) / 's.db'}", providers=[provider])
        relay.latency = LATENCY

        def row(name: str, work: Callable[[], object]) -> None:
            relay.calls.clear()
            began = time.perf_counter()
            came = work()
            wall = time.perf_counter() - began
            calls = sum(relay.calls.values())
            path = _critical_path(came, engine) if isinstance(came, iac.Run) and name != "destroy" else None
            beside = "" if not path else f"  critical path {path:5.2f} s, {wall / path:4.1f}x"
            print(f"{name:28} {calls:5} calls, {calls / count:5.2f} a resource, {wall:6.2f} s{beside}", flush=True)

        count = len(engine.plan(Mixed("prod")).changes)
        print(f"{count} resources, {LATENCY * 1000:.0f} ms a call")
        row("create", lambda: engine.apply(Mixed("prod")))
        row("plan, nothing changed", lambda: engine.plan(Mixed("prod")))
        row("apply, nothing changed", lambda: engine.apply(Mixed("prod")))
        row("refresh", lambda: engine.refresh("bench/prod"))
        row("update of all tags", lambda: engine.apply(Mixed("prod", label="two")))
        row("destroy", lambda: engine.destroy("bench/prod"))
        engine.close()


if __name__ == "__main__":
    main()
