"""Objects behind any HTTP API, by templates of requests.

How a killed create is decided is the program's to say: by a request that finds
its token, by an id that was known beforehand, or by sending it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from iaclib.errors import ConflictError, InvalidRequestError, NotFoundError, ProviderError, UndecidedError
from iaclib.local.handlers.base import LocalContext, LocalHandler, SecretTexts, taken_over
from iaclib.local.handlers.templates import fill, shaped, walk
from iaclib.local.handlers.wire import Answer, Request, send
from iaclib.model.values import has_secret, reveal
from iaclib.provider.handler import Live

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_METHODS = {"create": "POST", "read": "GET", "find": "GET", "update": "PUT", "delete": "DELETE"}
_HEADER = "header:"


class HttpHandler(LocalHandler):
    """Objects that four requests make, show, change and remove."""

    def replaces(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> Collection[str]:
        """Without a request that updates, what the create request sends makes the object anew."""
        return () if after.get("update") else ("body", "create")

    def identity(self, inputs: Mapping[str, Any]) -> str | None:
        """Give the id, where the program chooses it."""
        return inputs.get("known_id")

    def create(self, ctx: LocalContext, inputs: Mapping[str, Any]) -> Live:
        if inputs.get("find") and (found := self._search(ctx, inputs)) is not None:
            return found  # an earlier try made it, and its answer was lost
        try:
            answer = send(ctx, _request(ctx, "create", inputs))
        except ConflictError:
            known = inputs.get("known_id")
            if known is None or (live := self.read(ctx, known)) is None:
                raise
            return live  # it was seen to be absent before the first try: that one made it
        id = inputs.get("known_id") or _id_of(ctx, inputs, answer)
        ctx.checkpoint(id=id)
        return self.read(ctx, id, made=answer) or _live(ctx, inputs, id, answer)

    def find(self, ctx: LocalContext, inputs: Mapping[str, Any]) -> Live | None:
        """Find what the token made.

        Raises:
            UndecidedError: The program gives no way to.
        """
        if inputs.get("find"):
            return self._search(ctx, inputs)
        if inputs.get("known_id"):
            return None  # its identity tells
        if inputs.get("idempotent"):
            return self.create(ctx, inputs)
        where = SecretTexts(ctx.inputs).mask(inputs["base_url"])
        msg = (
            f"{ctx.address}: a create was interrupted and nothing tells whether it went through, "
            "expected find, known_id or idempotent=True; "
            f"look for the object at {where}: if it was made, engine.resolve({ctx.stack!r}, "
            f"{ctx.address!r}, adopt='its id'), if not, engine.resolve({ctx.stack!r}, {ctx.address!r}, absent=True)"
        )
        raise UndecidedError(msg, address=ctx.address)

    def read(self, ctx: LocalContext, id: str, made: Answer | None = None) -> Live | None:
        """Ask for the object; ``made`` is the answer to its creation, which may tell more than any later one."""
        inputs = reveal(dict(ctx.inputs))
        answer = send(ctx, _request(ctx, "read", inputs, id))
        return None if answer.gone else _live(ctx, inputs, id, answer, made)

    def update(self, ctx: LocalContext, id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Live:
        made = None
        if after.get("update"):
            old, new = (_request(ctx, "update", {"update": after["update"], **each}, id) for each in (before, after))
            if (old.method, old.url, old.body) != (new.method, new.url, new.body):
                made = send(ctx, new)
        live = self.read(ctx, id, made=made)
        if live is None:
            msg = f"{ctx.address}: {id} is not there any more, expected it to exist; refresh, then apply again"
            raise NotFoundError(msg)
        return live

    def delete(self, ctx: LocalContext, id: str) -> None:
        inputs = reveal(dict(ctx.inputs))
        if inputs.get("delete"):
            send(ctx, _request(ctx, "delete", inputs, id))

    def _search(self, ctx: LocalContext, inputs: Mapping[str, Any]) -> Live | None:
        """Look through what the find request lists for the item that holds the token."""
        template = inputs["find"]
        match = {path: str(value) for path, value in (template.get("match") or {}).items()}
        if not any("{token}" in value for value in match.values()):
            msg = f"{ctx.address}: find matches no token, expected a match such as {{'labels.ref': '{{token}}'}}; put the token into the body of create, and match it"
            raise InvalidRequestError(msg)
        words = _words(ctx)
        answer = send(ctx, _request(ctx, "find", inputs))
        items = walk(answer.data, template.get("items") or "")
        for item in items if isinstance(items, list) else [items]:
            if all(walk(item, path) == fill(value, words) for path, value in match.items()):
                id = walk(item, template.get("id") or "id")
                return self.read(ctx, _text(ctx, id, "find's answer", template.get("id") or "id"))
        return None


def _words(ctx: LocalContext) -> dict[str, str]:
    """Give what templates may name; the token stays the creation's, so that an update doesn't change it."""
    return {"token": ctx.record.uid if ctx.record is not None else ctx.token, "address": ctx.address}


def _request(ctx: LocalContext, action: str, inputs: Mapping[str, Any], id: str = "") -> Request:
    """Fill one template."""
    template = inputs.get(action)
    if not template or "base_url" not in inputs:
        msg = f"{ctx.address}: base_url or {action} is not known yet, expected plain values where an object is imported; write them out"
        raise InvalidRequestError(msg)
    if not template.get("url"):
        msg = f"{ctx.address}: {action} has no url, expected a path below base_url; add it"
        raise InvalidRequestError(msg)
    words = _words(ctx)
    known = id or inputs.get("known_id")
    if known:
        words["id"] = known
    body = template.get("body")
    if body is None and action in {"create", "update"}:
        body = inputs.get("body")
    headers = {**(inputs.get("headers") or {}), **(template.get("headers") or {})}
    if action == "create":
        headers = {"Idempotency-Key": ctx.token, **headers}
    return Request(
        action,
        template.get("method") or _METHODS[action],
        f"{inputs['base_url'].rstrip('/')}/{fill(template['url'], words, url=True).lstrip('/')}",
        fill(headers, words),
        fill(body, words),
        template.get("expect") or (),
        again=action != "create" or bool(inputs.get("find") or inputs.get("known_id") or inputs.get("idempotent")),
        secret_body=has_secret([ctx.inputs.get("body"), (ctx.inputs.get(action))]),
    )


def _id_of(ctx: LocalContext, inputs: Mapping[str, Any], answer: Answer) -> str:
    path = inputs["id_path"]
    if path.startswith(_HEADER):
        value = answer.headers.get(path[len(_HEADER) :].lower())
        found: Any = None if value is None else unquote(urlsplit(value).path.rstrip("/").rpartition("/")[2])
    else:
        found = walk(answer.data, path)
    return _text(ctx, found, "the answer to create", path)


def _text(ctx: LocalContext, id: Any, where: str, path: str) -> str:
    """Take an id, which has to be text or a whole number, and must not lead to another URL."""
    if isinstance(id, bool) or not isinstance(id, str | int) or str(id) in {"", ".", ".."}:
        msg = f"{ctx.address}: {where} has no id at {path!r}, expected text or a whole number; correct the path"
        raise ProviderError(msg)
    return str(id)


def _live(ctx: LocalContext, inputs: Mapping[str, Any], id: str, answer: Answer, made: Answer | None = None) -> Live:
    """Show an object by the answer to a read."""
    texts = SecretTexts(ctx.inputs)
    recorded = ctx.record.outputs.get("values") if ctx.record is not None else None
    kept = reveal(recorded) or {}
    values = {}
    for name, path in (inputs.get("outputs") or {}).items():
        sources = (answer.data, made.data if made is not None else None)
        found = (walk(source, path) for source in sources)
        values[name] = texts.guard(next((one for one in found if one is not None), kept.get(name)))
    shown = taken_over(ctx)
    if "known_id" in shown:
        shown["known_id"] = id
    shown.pop("body", None)
    body = inputs.get("body")
    if body is not None and (seen := walk(answer.data, inputs.get("body_path") or "")) is not None:
        shown["body"] = texts.guard(shaped(seen, body))
    ready = all(walk(answer.data, path) == wanted for path, wanted in (inputs.get("ready") or {}).items())
    return Live(id, {"values": values}, shown, ready=ready)
