"""The declaration of objects behind any HTTP API. Knows no handler."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypedDict

from iaclib import declare as iac

_Status = Annotated[int, iac.Range(100, 599)]


class Request(TypedDict, total=False):
    """One request.

    ``url`` is a path below ``base_url``; ``method`` defaults to POST for
    create, GET for read and find, PUT for update, DELETE for delete.
    ``body`` is JSON; create and update send the resource's own ``body`` where
    it is left out. ``expect`` lists the statuses that count as success, by
    default all from 200 to 299.
    """

    method: iac.Input[str]
    url: iac.Input[str]
    headers: iac.Input[Mapping[str, iac.Input[str]]]
    body: iac.Input[Any]
    expect: iac.Input[Sequence[_Status]]


class Find(TypedDict, total=False):
    """The request that finds what a token made, and how it is known.

    ``items`` is the path of the list in the answer, "" for the answer itself.
    ``match`` maps paths in an item to the values that they must have; one of
    them must hold ``{token}``. ``id`` is the path of the id in an item.
    """

    method: iac.Input[str]
    url: iac.Input[str]
    headers: iac.Input[Mapping[str, iac.Input[str]]]
    items: iac.Input[str]
    match: iac.Input[Mapping[str, iac.Input[str]]]
    id: iac.Input[str]


class HttpResource(iac.Resource, type="local:HttpResource", is_global=True, unique=(("base_url", "read", "known_id"),)):
    """An object of a JSON API, made and kept by four requests.

    ``{id}``, ``{token}`` and ``{address}`` in URLs, headers and bodies stand for
    the object's id, the token of the step that creates it, and the resource's
    address (quoted in URLs); all other braces stay as they are. Paths such as ``data.items.0.id``
    lead through an answer; "" is the whole of it.

    ``id_path`` is where the answer to create has the id; ``header:Location``
    takes the last part of that header's path. Where the program chooses the
    id, give it as ``known_id``. ``outputs`` maps names to paths, found in
    ``values``. ``body`` is what the object shall be; what read shows of it (at
    ``body_path``) is compared, so that drift is seen. What depends on it waits
    until read shows the values at the paths of ``ready``, such as
    ``{"status": "active"}``.

    A change of ``body`` or ``create`` is sent by ``update``; without one it
    replaces. Statuses: 404 and 410 mean gone, 409 a conflict (on delete: still
    in use), 429, 408 and 425 to try again, as do 5xx where that is safe.

    A killed create is decided by ``find``, by ``known_id``, or, for APIs that
    honour the ``Idempotency-Key`` header that create sends, with
    ``idempotent=True`` by sending it again; without any of these the next run
    asks you.
    """

    base_url: iac.Input[Annotated[str, iac.Pattern(r"^https?://[^/]")]] = iac.field(replaces=True)
    create: iac.Input[Request] = iac.field(replaces="maybe")
    read: iac.Input[Request] = iac.field()
    update: iac.Input[Request] | None = iac.field(default=None)
    delete: iac.Input[Request] | None = iac.field(default=None)
    find: iac.Input[Find] | None = iac.field(default=None)
    headers: iac.Input[Mapping[str, iac.Input[str]]] = iac.field(factory=dict)
    body: iac.Input[Any] | None = iac.field(default=None, replaces="maybe")
    body_path: iac.Input[str] = iac.field(default="")
    known_id: iac.Input[Annotated[str, iac.Range(1, None)]] | None = iac.field(default=None, replaces=True)
    id_path: iac.Input[str] = iac.field(default="id")
    ready: iac.Input[Mapping[str, Any]] = iac.field(factory=dict)
    idempotent: iac.Input[bool] = iac.field(default=False)
    outputs: iac.Input[Mapping[str, iac.Input[str]]] = iac.field(factory=dict)
    values: iac.Output[Mapping[str, Any]] = iac.computed()
