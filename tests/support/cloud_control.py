"""Cloud Control on loopback, holding every type to its registry schema as cfn-lint ships it.

Knows nothing of iaclib's pack: required, read-only, create-only and write-only
properties, enums and patterns are read from the schemas themselves.
"""

from __future__ import annotations

import json
import re
import threading
import time
import uuid
from copy import deepcopy
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from iaclib.schema.build.cloudformation import installed
from iaclib.schema.names import snake

ACCOUNT = "123456789012"


@cache
def schemas() -> dict[str, dict[str, Any]]:
    """Give the registry schemas by type."""
    return installed().schemas


class RefusedError(Exception):
    """An answer that is an error: a code, and what is said."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


def paths(schema: dict[str, Any], key: str) -> list[list[str]]:
    """Give the paths under a key of a schema, without ``properties``."""
    return [
        [part for part in path.split("/")[2:] if part not in {"properties", "items"}] for path in schema.get(key, ())
    ]


def at(node: Any, path: list[str]) -> list[Any]:
    """Give all values at a path."""
    if not path:
        return [node]
    if isinstance(node, list):
        return [found for item in node for found in at(item, path[1:] if path[0] == "*" else path)]
    if not isinstance(node, dict):
        return []
    keys = list(node) if path[0] == "*" else [path[0]]
    return [found for key in keys if key in node for found in at(node[key], path[1:])]


def cut(node: Any, path: list[str]) -> None:
    """Remove what is at a path."""
    if isinstance(node, list):
        for item in node:
            cut(item, path[1:] if path[0] == "*" else path)
    elif isinstance(node, dict):
        for key in list(node) if path[0] == "*" else [path[0]]:
            if key in node and len(path) == 1:
                del node[key]
            elif key in node:
                cut(node[key], path[1:])


def keep(old: Any, new: Any, path: list[str]) -> None:
    """Take over what is at a path, where there is a place for it."""
    if isinstance(old, dict) and isinstance(new, dict) and path[0] in old:
        if len(path) == 1:
            new[path[0]] = old[path[0]]
        else:
            keep(old[path[0]], new.get(path[0]), path[1:])
    elif isinstance(old, list) and isinstance(new, list):
        for one, other in zip(old, new, strict=False):
            keep(one, other, path[1:] if path[0] == "*" else path)


class Rules:
    """One schema."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self.schema = schema
        self.lists = {
            key: paths(schema, key) for key in ("readOnlyProperties", "createOnlyProperties", "writeOnlyProperties")
        }
        self.identifier = paths(schema, "primaryIdentifier")

    def check(self, model: dict[str, Any]) -> None:
        """Refuse a model that does not fit."""
        for path in self.lists["readOnlyProperties"]:
            if len(path) == 1 and path not in self.lists["createOnlyProperties"] and at(model, path):
                raise RefusedError("InvalidRequest", f"#/{'/'.join(path)}: is read-only")
        missing = [
            name
            for name in self.schema.get("required", ())
            if name not in model and [name] not in self.lists["readOnlyProperties"]
        ]
        if missing:
            raise RefusedError("InvalidRequest", f"#: required key {missing} not found")
        unknown = set(model) - set(self.schema["properties"])
        if unknown:
            raise RefusedError("InvalidRequest", f"#: extraneous key {sorted(unknown)}")
        for name, value in model.items():
            fault = self.fault(self.schema["properties"][name], value, f"#/{name}")
            if fault:
                raise RefusedError("InvalidRequest", fault)

    def fault(self, node: Any, value: Any, where: str) -> str:
        """Say what is wrong, or nothing."""
        while isinstance(node, dict) and "$ref" in node:
            target: Any = self.schema
            for part in node["$ref"].split("/")[1:]:
                target = target[part]
            node = target
        if not isinstance(node, dict):
            return ""
        for key in ("anyOf", "oneOf"):
            if key in node and any("type" in one or "$ref" in one for one in node[key]):
                faults = [self.fault(one, value, where) for one in node[key]]
                if all(faults):
                    return faults[0]
        kinds = node.get("type", ())
        kinds = [kinds] if isinstance(kinds, str) else kinds
        if kinds and not any(_is(kind, value) for kind in kinds):
            return f"{where}: expected {kinds}, got {type(value).__name__}"
        if isinstance(value, list):
            return self._list_fault(node, value, where)
        return self._object_fault(node, value, where) if isinstance(value, dict) else _plain_fault(node, value, where)

    def _list_fault(self, node: dict[str, Any], value: list[Any], where: str) -> str:
        if not node.get("minItems", 0) <= len(value) <= node.get("maxItems", 1 << 30):
            return f"{where}: wrong number of elements"
        faults = (self.fault(node.get("items", {}), item, f"{where}/{index}") for index, item in enumerate(value))
        return next(filter(None, faults), "")

    def _object_fault(self, node: dict[str, Any], value: dict[str, Any], where: str) -> str:
        known = node.get("properties")
        if known is None:
            return ""
        missing = [
            one
            for one in node.get("required", ())
            if one not in value and one in known and not self._shown_only(where, one)
        ]
        if missing:
            return f"{where}: required key {missing} not found"
        unknown = set(value) - set(known)
        if unknown and node.get("additionalProperties") is False and "patternProperties" not in node:
            return f"{where}: extraneous key {sorted(unknown)}"
        faults = (self.fault(known[key], value[key], f"{where}/{key}") for key in value if key in known)
        return next(filter(None, faults), "")

    def _shown_only(self, where: str, name: str) -> bool:
        parts = ["*" if part.isdigit() else part for part in where.split("/")[1:]]
        return any(path[-1] == name and path[0] == parts[0] for path in self.lists["readOnlyProperties"])

    def shown(self, model: dict[str, Any]) -> dict[str, Any]:
        """Give what a read shows."""
        model = deepcopy(model)
        for path in self.lists["writeOnlyProperties"]:
            cut(model, path)
        return model


def _plain_fault(node: dict[str, Any], value: Any, where: str) -> str:
    if "enum" in node and str(value).casefold() not in {str(one).casefold() for one in node["enum"]}:
        return f"{where}: not one of the enum"
    if not isinstance(value, str):
        return ""
    try:
        fits = re.search(node.get("pattern", ""), value) is not None
    except re.error:  # in another dialect
        fits = True
    if not fits:
        return f"{where}: does not match {node['pattern']}"
    fits = node.get("minLength", 0) <= len(value) <= node.get("maxLength", 1 << 30)
    return "" if fits else f"{where}: wrong length"


def _is(kind: str, value: Any) -> bool:
    types: dict[str, Any] = {
        "string": str, "object": dict, "array": list, "boolean": bool, "integer": int, "number": (int, float),
        "null": type(None),
    }  # fmt: skip
    return isinstance(value, types[kind]) and not (kind in ("integer", "number") and isinstance(value, bool))


def patched(document: dict[str, Any], operations: list[dict[str, Any]]) -> dict[str, Any]:
    """Apply a JSON patch, as RFC 6902 says: a place that isn't there is an error."""
    document = deepcopy(document)
    for one in operations:
        steps = [part.replace("~1", "/").replace("~0", "~") for part in one["path"].split("/")[1:]]
        node: Any = document
        for step in steps[:-1]:
            if not isinstance(node, (dict, list)) or (isinstance(node, dict) and step not in node):
                raise RefusedError("InvalidRequest", f"patch: nothing at {one['path']}")
            node = node[int(step)] if isinstance(node, list) else node[step]
        last: Any = steps[-1]
        if isinstance(node, list):
            last = len(node) if last == "-" else int(last)
        there = last < len(node) if isinstance(node, list) else last in node
        if one["op"] in ("remove", "replace") and not there:
            raise RefusedError("InvalidRequest", f"patch: nothing at {one['path']}")
        if one["op"] == "remove":
            del node[last]
        elif one["op"] in ("add", "replace"):
            if isinstance(node, list) and one["op"] == "add":
                node.insert(last, one["value"])
            else:
                node[last] = one["value"]
        else:
            raise RefusedError("InvalidRequest", f"patch: {one['op']}")
    return document


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
                self._proceed(other)  # time passes
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


@cache
def rules_of(type: str) -> Rules:
    """Give the rules of a type."""
    return Rules(schemas()[type])


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
