"""Cloud Control on loopback, holding every type to its registry schema: requests, states, tokens, and what there is."""

from __future__ import annotations

import json
import threading
import time
import uuid
from copy import deepcopy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from iaclib.schema.names import snake
from registry_rules import RefusedError, Rules, at, keep, patched, rules_of, schemas

ACCOUNT = "123456789012"


class Cloud:
    """What there is, and what is going on; the attributes are a test's to look at and to set."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.requests: dict[str, dict[str, Any]] = {}
        self.tokens: dict[str, tuple[str, str]] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.polls = 1  # questions until a request has ended
        self.throttle = 0  # calls to refuse
        self.fail: list[str] = []  # error codes with which the next requests end
        self.said = ""  # of such a failure, besides what was sent
        self.leave = False  # whether a create that fails leaves the object
        self.registry = schemas()  # of the types that there are

    def age(self, seconds: float) -> None:
        """Let all that has happened be longer ago."""
        for request in self.requests.values():
            request["at"] -= seconds

    def call(self, operation: str, given: dict[str, Any]) -> dict[str, Any]:
        """Answer one call."""
        with self.lock:
            self.calls.append((operation, given))
            if self.throttle:
                self.throttle -= 1
                raise RefusedError("ThrottlingException", "Rate exceeded")
            return getattr(self, f"on_{snake(operation)}")(given)  # type: ignore[no-any-return]

    def on_create_resource(self, given: dict[str, Any]) -> dict[str, Any]:
        return self._request("CREATE", given, json.loads(given["DesiredState"]), None)

    def on_update_resource(self, given: dict[str, Any]) -> dict[str, Any]:
        self._there(given)
        return self._request("UPDATE", given, json.loads(given["PatchDocument"]), given["Identifier"])

    def on_delete_resource(self, given: dict[str, Any]) -> dict[str, Any]:
        self._there(given)
        return self._request("DELETE", given, None, given["Identifier"])

    def on_get_resource(self, given: dict[str, Any]) -> dict[str, Any]:
        model = self._there(given)
        shown = json.dumps(rules_of(given["TypeName"]).shown(model))
        return {
            "TypeName": given["TypeName"],
            "ResourceDescription": {"Identifier": given["Identifier"], "Properties": shown},
        }

    def on_list_resources(self, given: dict[str, Any]) -> dict[str, Any]:
        found = [{"Identifier": id, "Properties": "{}"} for type, id in self.objects if type == given["TypeName"]]
        return {"TypeName": given["TypeName"], "ResourceDescriptions": found}

    def on_get_resource_request_status(self, given: dict[str, Any]) -> dict[str, Any]:
        request = self.requests.get(given["RequestToken"])
        if request is None:
            raise RefusedError("RequestTokenNotFoundException", "no such request")
        self._proceed(request)
        return {"ProgressEvent": self._event(request)}

    def on_list_resource_requests(self, given: dict[str, Any]) -> dict[str, Any]:
        wanted = given["ResourceRequestStatusFilter"]
        events = [self._event(one) for one in self.requests.values()]
        return {
            "ResourceRequestStatusSummaries": [
                one
                for one in events
                if one["Operation"] in wanted["Operations"] and one["OperationStatus"] in wanted["OperationStatuses"]
            ]
        }

    def _there(self, given: dict[str, Any]) -> dict[str, Any]:
        found = self.objects.get((given["TypeName"], given["Identifier"]))
        if found is None:
            raise RefusedError("ResourceNotFoundException", f"{given['Identifier']} was not found")
        return found

    def _request(self, operation: str, given: dict[str, Any], what: Any, id: str | None) -> dict[str, Any]:
        token, content = given.get("ClientToken"), json.dumps([operation, given], sort_keys=True)
        if token in self.tokens:
            known, before = self.tokens[token]
            if before != content:
                raise RefusedError("ClientTokenConflictException", "the token was used for another request")
            return {"ProgressEvent": self._event(self.requests[known])}
        for other in self.requests.values():
            if id is not None and (other["type"], other["id"], other["status"]) == (
                given["TypeName"],
                id,
                "IN_PROGRESS",
            ):
                raise RefusedError("ConcurrentOperationException", "another operation is being performed on it")
        request = {
            "token": str(uuid.uuid4()), "type": given["TypeName"], "operation": operation, "what": what, "id": id,
            "status": "IN_PROGRESS", "left": self.polls, "code": None, "said": "", "at": time.time(),
        }  # fmt: skip
        self.requests[request["token"]] = request
        if token:
            self.tokens[token] = (request["token"], content)
        return {"ProgressEvent": self._event(request)}

    def _proceed(self, request: dict[str, Any]) -> None:
        if request["status"] != "IN_PROGRESS":
            return
        request["left"] -= 1
        if request["left"] > 0:
            return
        code = self.fail.pop(0) if self.fail else None
        try:
            if code is None or (request["operation"] == "CREATE" and self.leave):
                self._make(request)
            if code is not None:
                raise RefusedError(code, f"{self.said}; it was sent {json.dumps(request['what'])}")
            request["status"] = "SUCCESS"
        except RefusedError as error:
            request |= {"status": "FAILED", "code": error.code, "said": str(error)}
        request["at"] = time.time()

    def _make(self, request: dict[str, Any]) -> None:
        type, rules = request["type"], rules_of(request["type"])
        if request["operation"] == "DELETE":
            del self.objects[type, request["id"]]
            return
        if request["operation"] == "UPDATE":
            self._change(request, rules)
            return
        model = deepcopy(request["what"])
        rules.check(model)
        number = uuid.uuid4().hex[:12]
        for path in rules.lists["readOnlyProperties"]:
            if len(path) == 1 and path[0] not in model:
                node = rules.schema["properties"].get(path[0], {})
                while "$ref" in node:
                    node = rules.schema["definitions"][node["$ref"].rpartition("/")[2]]
                model[path[0]] = _made(node, f"{path[0].lower()}-{number}")
        parts = []
        for path in rules.identifier:
            found = at(model, path)
            if not found:
                node: Any = model
                for step in path[:-1]:
                    node = node.setdefault(step, {})
                found = [node.setdefault(path[-1], f"{path[-1].lower()}-{number}")]
            parts.append(str(found[0]))
        id = "|".join(parts)
        request["id"] = id
        if (type, id) in self.objects:
            raise RefusedError("AlreadyExists", f"{id} already exists")
        self.objects[type, id] = model

    def _change(self, request: dict[str, Any], rules: Rules) -> None:
        old = self.objects[request["type"], request["id"]]
        shown = rules.shown(old)
        new = patched(shown, request["what"])
        hidden = rules.lists["writeOnlyProperties"]
        for path in rules.lists["createOnlyProperties"]:
            if path in rules.lists["readOnlyProperties"]:
                continue
            # What a read does not show counts as changed when it is sent; as a part of something else it may be.
            part = any(path[: len(one)] == one and path != one for one in hidden)
            if at(old if part and at(new, path) else shown, path) != at(new, path):
                raise RefusedError("NotUpdatable", f"{path} is create-only")
        for path in rules.lists["createOnlyProperties"]:
            for one in hidden:
                if one[: len(path)] == path:
                    keep(old, new, one)
        given = {key: value for key, value in new.items() if [key] not in rules.lists["readOnlyProperties"]}
        rules.check(given)
        self.objects[request["type"], request["id"]] = new

    def _event(self, request: dict[str, Any]) -> dict[str, Any]:
        event = {
            "TypeName": request["type"], "RequestToken": request["token"], "Operation": request["operation"],
            "OperationStatus": request["status"], "EventTime": request["at"],
        }  # fmt: skip
        if request["status"] == "IN_PROGRESS":
            event["RetryAfter"] = event["EventTime"] + 3.0
        if request["id"]:
            event["Identifier"] = request["id"]
        if request["code"]:
            event |= {"ErrorCode": request["code"], "StatusMessage": request["said"]}
        return event


def _made(node: dict[str, Any], text: str) -> Any:
    kinds = node.get("type", "string")
    kind = kinds if isinstance(kinds, str) else kinds[0]
    return {"string": text, "integer": 1, "number": 1.0, "boolean": False, "array": [], "object": {}}.get(kind, text)


class Server:
    """The cloud behind HTTP, while the block runs."""

    def __init__(self) -> None:
        self.cloud = cloud = Cloud()

        class Answer(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1  # head and body together

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                target = self.headers.get("X-Amz-Target", "")
                if not target:  # one of the older services: STS, or CloudFormation
                    self.answer(*_older(cloud, dict(parse_qsl(body.decode()))), "text/xml")
                    return
                try:
                    answer, status = cloud.call(target.rpartition(".")[2], json.loads(body)), 200
                except RefusedError as error:
                    answer, status = {"__type": error.code, "message": str(error)}, 400
                self.answer(status, json.dumps(answer).encode(), "application/x-amz-json-1.0")

            def answer(self, status: int, body: bytes, kind: str) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                self.wfile.flush()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


def _older(cloud: Cloud, given: dict[str, str]) -> tuple[int, bytes]:
    """Tell who is asking, or what a type is like."""
    if given["Action"] != "DescribeType":
        return 200, _WHO.encode()
    cloud.calls.append(("DescribeType", given))
    schema = cloud.registry.get(given["TypeName"])
    if schema is None:
        return (
            404,
            b"<ErrorResponse><Error><Code>TypeNotFoundException</Code><Message>no</Message></Error></ErrorResponse>",
        )
    shown = f"<Schema>{escape(json.dumps(schema))}</Schema>"
    return (
        200,
        f"<DescribeTypeResponse><DescribeTypeResult>{shown}</DescribeTypeResult></DescribeTypeResponse>".encode(),
    )


_WHO = (
    '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    f"<Account>{ACCOUNT}</Account><Arn>arn:aws:iam::{ACCOUNT}:user/x</Arn><UserId>X</UserId>"
    "</GetCallerIdentityResult></GetCallerIdentityResponse>"
)
