"""Objects of a REST API, by urllib against a real server on loopback."""

from __future__ import annotations

import time

import pytest

import iaclib as iac
from iaclib.errors import (
    ApplyFailed,
    ConflictError,
    CredentialsError,
    DependencyViolationError,
    InvalidRequestError,
    NotFoundError,
    NotReadyError,
    OperationTimeoutError,
    ProviderError,
    ThrottledError,
    UndecidedError,
)
from iaclib.local import HttpResource
from iaclib.local.handlers.http import HttpHandler
from iaclib.local.handlers.wire import Request, send
from rest_api import Fault

FIND = {"url": "/things?ref={token}", "items": "data", "match": {"ref": "{token}"}}
HTTP = HttpHandler()


@pytest.fixture
def inputs(api):
    """Give a maker of inputs as the engine resolves them."""

    def make(**given):
        url = {"url": "/things/{id}"}
        defaults = {
            "base_url": api.url,
            "create": {"url": "/things"},
            "read": url,
            "update": url,
            "delete": url,
            "headers": {},
            "body": {"name": "a", "ref": "{token}"},
            "body_path": "data",
            "id_path": "data.id",
            "ready": {},
            "idempotent": False,
            "outputs": {},
        }
        return {name: value for name, value in {**defaults, **given}.items() if value is not None}

    return make


@pytest.fixture
def declared(inputs, stack):
    """Give a maker of a stack with one object."""
    return lambda **given: stack(lambda: HttpResource("it", **inputs(**given)))


@pytest.fixture
def step(ctx):
    """Give a maker of steps about inputs."""
    return lambda inputs, **facts: ctx(inputs=inputs, **facts)


def cause(failed):
    return failed.value.exceptions[0].cause


def test_an_object_lives_its_whole_life(engine, api, declared, actions):
    """Created, kept, updated in place, repaired after drift, made again when it vanished, deleted."""
    plain = {"body": {"name": "a", "on": True}, "outputs": {"etag": "data.etag", "once": "once"}}
    engine.apply(declared(**plain))
    record = engine.snapshot("local/test").records["it"]
    assert api.store == {"/things/1": {"name": "a", "on": True, "id": 1, "etag": 1}}
    assert record.id == "1"
    assert record.outputs == {"values": {"etag": 1, "once": "key of 1"}}
    api.log.clear()
    assert not engine.plan(declared(**plain), refresh=True)
    assert api.writes() == []

    plain["body"] = {"name": "b", "on": True}
    assert actions(engine.apply(declared(**plain))) == ["update it"]
    assert api.writes() == [("PUT", "/things/1")]
    record = engine.snapshot("local/test").records["it"]
    assert record.outputs == {"values": {"etag": 2, "once": "key of 1"}}

    api.store["/things/1"]["name"] = "theirs"
    drift = engine.drift("local/test")
    assert [(item.path, item.before, item.after) for item in drift.changes[0].properties] == [
        (("body", "name"), "b", "theirs")
    ]
    engine.apply(engine.plan(declared(**plain), refresh=True))
    assert api.store["/things/1"]["name"] == "b"

    api.store.clear()
    assert actions(engine.apply(engine.plan(declared(**plain), refresh=True))) == ["create it"]
    assert list(api.store) == ["/things/4"]
    engine.destroy("local/test")
    assert api.store == {}


def test_without_an_update_request_a_change_replaces(engine, api, declared, actions):
    """The new object comes first; headers and how to read it change without a request that writes."""
    engine.apply(declared(update=None, body={"name": "a"}))
    assert actions(engine.apply(declared(update=None, body={"name": "b"}))) == ["create it", "delete it"]
    assert [one["name"] for one in api.store.values()] == ["b"]
    api.log.clear()
    assert actions(engine.apply(declared(update=None, body={"name": "b"}, headers={"X-Key": "k"}))) == ["update it"]
    assert api.writes() == []
    plan = engine.plan(declared(update=None, body={"name": "b"}, create={"url": "/once"}))
    assert actions(plan) == ["replace it"]


def test_an_id_from_the_location_header(engine, api, declared):
    """``header:Location`` takes the last part of the path."""
    engine.apply(declared(id_path="header:Location"))
    assert engine.snapshot("local/test").records["it"].id == "1"


def test_words_are_quoted_in_urls_and_braces_stay(api, inputs, step):
    """An id from the server can't lead to another URL; other braces are nobody's."""
    wanted = inputs(
        create={"url": "/named", "body": {"name": "a/b?c", "css": "p{x}"}, "headers": {"X-Who": "{address}"}},
        read={"url": "/named/{id}"},
    )
    with pytest.raises(NotFoundError):  # the server knows no quoting, so it doesn't find it: nothing else was asked for
        HTTP.update(step(wanted), "a/b?c", wanted, {**wanted, "update": None})
    HTTP.create(step(wanted), wanted)
    assert api.log == [("GET", "/named/a%2Fb%3Fc"), ("POST", "/named"), ("GET", "/named/a%2Fb%3Fc")]
    assert api.store["/named/a/b?c"]["css"] == "p{x}"
    assert api.headers[1]["x-who"] == "it"
    assert api.headers[1]["idempotency-key"] == "0" * 32


@pytest.mark.parametrize("id", ["", ".", "..", None, True, {"a": 1}])
def test_an_id_that_makes_no_sense_is_refused(api, inputs, step, id):
    """The error names the path."""
    wanted = inputs(id_path="data.made")
    wanted["body"]["made"] = id
    with pytest.raises(ProviderError, match=r"no id at 'data\.made'"):
        HTTP.create(step(wanted), wanted)


# ------------------------------------------------------------------------------------------------ interrupted creates


def test_a_lost_answer_is_found_by_token(engine, api, declared):
    """The object was made but the answer never came: it is found, not made again."""
    api.faults.append(Fault("POST", 0, late=True))
    engine.apply(declared(find=FIND))
    assert len(api.store) == 1
    assert not engine.plan(declared(find=FIND), refresh=True)


def test_a_server_error_is_tried_again_where_that_is_safe(engine, api, declared):
    """With a way to find the object, 5xx on create are retried; there is one object."""
    api.faults.append(Fault("POST", 502, times=1, late=True))
    engine.apply(declared(find=FIND))
    assert len(api.store) == 1


def test_a_known_id_decides(engine, api, declared):
    """Seen absent before, what has the id after a lost answer is ours."""
    given = {
        "create": {"url": "/named"},
        "read": {"url": "/named/{id}"},
        "delete": {"url": "/named/{id}"},
        "update": {"url": "/named/{id}"},
        "known_id": "web",
        "body": {"name": "web", "size": 1},
    }
    api.faults.append(Fault("POST", 500, late=True))
    engine.apply(declared(**given))
    assert engine.snapshot("local/test").records["it"].id == "web"
    assert api.writes() == [("POST", "/named"), ("POST", "/named")]
    assert list(api.store) == ["/named/web"]
    engine.destroy("local/test")
    api.store["/named/web"] = {"id": "web"}
    with pytest.raises(ApplyFailed) as failed:
        engine.apply(declared(**given))
    assert isinstance(cause(failed), ConflictError)


def test_an_idempotent_create_is_sent_again(engine, api, declared):
    """The key makes the server give the first object."""
    api.faults.append(Fault("POST", 503, late=True))
    engine.apply(declared(create={"url": "/once"}, read={"url": "/once/{id}"}, idempotent=True))
    assert list(api.store) == ["/once/1"]


def test_without_any_way_to_tell_the_user_decides(engine, api, declared):
    """A lost answer that nothing can find stays undecided: nothing is doubled behind anybody's back."""
    api.faults.append(Fault("POST", 0, late=True))
    with pytest.raises(ApplyFailed):
        engine.apply(declared())
    assert api.writes() == [("POST", "/things")]
    with pytest.raises(UndecidedError) as undecided:
        engine.apply(declared())
    assert "expected find, known_id or idempotent=True" in str(undecided.value)
    assert len(api.store) == 1


def test_find_takes_nothing_without_the_token(api, inputs, step):
    """A list that the server didn't filter is searched for the token; a match without one is refused."""
    wanted = inputs(find={**FIND, "url": "/things"})
    HTTP.create(step(wanted, token="a" * 32), wanted)
    assert HTTP.find(step(wanted, token="b" * 32), wanted) is None
    assert HTTP.find(step(wanted, token="a" * 32), wanted).id == "1"
    named = inputs(find={**FIND, "match": {"name": "a"}})
    with pytest.raises(InvalidRequestError, match="find matches no token"):
        HTTP.find(step(named), named)


def test_a_refused_create_is_no_riddle(engine, api, declared):
    """A status that says no means that nothing was made: no intent is left."""
    api.faults.append(Fault("POST", 422, text='{"error": "name is taken (secret)"}'))
    with pytest.raises(ApplyFailed) as failed:
        engine.apply(declared())
    assert "status 422" in str(cause(failed))
    assert "name is taken" in str(cause(failed))
    assert not engine.snapshot("local/test").intents
    engine.apply(declared())


# ---------------------------------------------------------------------------------------------------------- statuses


@pytest.mark.parametrize(
    ("method", "status", "kind", "retryable"),
    [
        ("PUT", 400, InvalidRequestError, False),
        ("PUT", 401, CredentialsError, False),
        ("PUT", 403, CredentialsError, False),
        ("PUT", 404, NotFoundError, False),
        ("PUT", 408, NotReadyError, True),
        ("PUT", 409, ConflictError, False),
        ("PUT", 429, ThrottledError, True),
        ("PUT", 500, ProviderError, True),
        ("PUT", 503, ProviderError, True),
        ("PUT", 0, ProviderError, True),
        ("GET", 500, ProviderError, True),
        ("POST", 500, ProviderError, False),
        ("POST", 0, ProviderError, False),
        ("DELETE", 409, DependencyViolationError, False),
    ],
)
def test_statuses_become_errors(api, inputs, step, method, status, kind, retryable):
    """Each says what it means, and only what is safe is tried again."""
    wanted = inputs()
    live = HTTP.create(step(wanted), wanted)
    api.faults.append(Fault(method, status, headers={"Retry-After": "7"}))
    calls = {
        "POST": lambda: HTTP.create(step(wanted), wanted),
        "GET": lambda: HTTP.read(step(wanted), live.id),
        "PUT": lambda: HTTP.update(step(wanted), live.id, wanted, {**wanted, "body": {"name": "b"}}),
        "DELETE": lambda: HTTP.delete(step(wanted), live.id),
    }
    with pytest.raises(ProviderError) as caught:
        calls[method]()
    assert type(caught.value) is kind
    assert caught.value.retryable is retryable
    if kind is ThrottledError:
        assert caught.value.retry_after == 7
    assert f"it: {method} {api.url}/things" in str(caught.value)


@pytest.mark.parametrize("status", [404, 410])
def test_gone_is_no_error(api, inputs, step, status):
    """Reading what is gone gives None, deleting it is success."""
    wanted = inputs()
    api.faults += [Fault("GET", status), Fault("DELETE", status)]
    assert HTTP.read(step(wanted), "1") is None
    HTTP.delete(step(wanted), "1")


def test_expected_statuses_are_success(api, inputs, step):
    """``expect`` says what counts, and nothing else does."""
    wanted = inputs(update={"url": "/things/{id}", "expect": [418]})
    live = HTTP.create(step(wanted), wanted)
    changed = {**wanted, "body": {"name": "b"}}
    with pytest.raises(InvalidRequestError, match="status 200"):
        HTTP.update(step(wanted), live.id, wanted, changed)
    api.faults.append(Fault("PUT", 418))
    HTTP.update(step(wanted), live.id, wanted, changed)


def test_redirections_stay_on_the_host(api, ctx):
    """A read follows within the origin, with its headers; another origin and writes are refused."""
    other = api.url.replace("127.0.0.1", "localhost")
    request = Request("read", "GET", f"{api.url}/old/1", {"Authorization": "x"})
    api.store["/new/1"] = {"id": 1}
    api.faults.append(Fault("GET", 302, headers={"Location": "/new/1"}))
    assert send(ctx(), request).data == {"data": {"id": 1}}
    api.log.clear()
    api.faults.append(Fault("GET", 302, headers={"Location": f"{other}/new/1"}))
    with pytest.raises(InvalidRequestError, match="no redirection"):
        send(ctx(), request)
    api.faults.append(Fault("POST", 307, headers={"Location": "/new"}))
    with pytest.raises(InvalidRequestError, match="no redirection"):
        send(ctx(), Request("create", "POST", f"{api.url}/old", body={}))
    assert api.log == [("GET", "/old/1"), ("POST", "/old")]


def test_what_does_not_listen_was_asked_nothing(ctx, api):
    """A refused connection is surely no create; it is tried again for a while."""
    with pytest.raises(NotReadyError, match="can't be reached") as caught:
        send(ctx(), Request("create", "POST", "http://127.0.0.1:1/things", body={}))
    assert caught.value.retryable


def test_answers_have_limits(api, ctx):
    """Too much, and too late, are errors."""
    read = Request("read", "GET", f"{api.url}/things/1")
    api.faults.append(Fault("GET", 200, text="x" * 5_000_000))
    with pytest.raises(InvalidRequestError, match="more than"):
        send(ctx(), read)
    with pytest.raises(OperationTimeoutError, match="no time is left"):
        send(ctx(deadline=time.monotonic()), read)


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("plain", "plain"),
        ("  ", None),
        ("[1, NaN]", [1, "NaN"]),
        ('{"n": 123456789012345678901234567890}', {"n": "123456789012345678901234567890"}),
        ('{"(secret)": ["(secret)"]}', {"(masked)": ["(masked)"]}),
    ],
)
def test_answers_that_state_can_not_hold_are_tamed(api, ctx, text, data):
    """Text that is no JSON, numbers that are too long, and what looks like our mask."""
    api.faults.append(Fault("GET", 200, text=text))
    assert send(ctx(), Request("read", "GET", f"{api.url}/things/1")).data == data


def test_it_is_ready_when_read_shows_it(api, inputs, step):
    """``ready`` names what read has to show before dependents start."""
    wanted = inputs(ready={"data.status": "active"})
    live = HTTP.create(step(wanted), wanted)
    assert not live.ready
    api.store["/things/1"]["status"] = "active"
    assert HTTP.read(step(wanted), live.id).ready


# ----------------------------------------------------------------------------------------------------------- secrets


def test_secrets_go_to_the_server_and_nowhere_else(engine, api, declared, tmp_path):
    """Headers and bodies hold secrets; state, plans, outputs and errors don't show them."""

    def secretive(name="a", echo="echo"):
        return declared(
            headers={"Authorization": iac.secret("Bearer swordfish")},
            body={"name": name, "password": iac.secret("hunter22"), "echo": iac.secret("hunter22")},
            outputs={"echo": f"data.{echo}", "name": "data.name"},
        )

    engine.apply(secretive())
    assert api.headers[0]["authorization"] == "Bearer swordfish"
    assert api.store["/things/1"]["password"] == "hunter22"
    record = engine.snapshot("local/test").records["it"]
    assert record.outputs["values"]["echo"] == iac.Secret("hunter22")
    assert record.outputs["values"]["name"] == "a"
    api.store["/things/1"]["password"] = "hunter22 changed"
    plan = engine.plan(secretive(), refresh=True)
    assert "hunter22" not in str(plan) + repr(plan.changes) + str(engine.drift("local/test"))
    engine.apply(plan)
    api.faults.append(Fault("PUT", 400, text="hunter22 and swordfish are wrong"))
    with pytest.raises(ApplyFailed) as failed:
        engine.apply(secretive("b"))
    assert "its text is left out" in str(cause(failed))
    stored = b"".join(path.read_bytes() for path in (tmp_path / "state").iterdir()).decode(errors="replace")
    for text in (str(cause(failed)), str(plan), stored):
        assert "hunter22" not in text
        assert "swordfish" not in text


def test_a_word_of_a_secret_header_is_masked(engine, api, declared):
    """A server that repeats the password of a header doesn't put it into errors."""
    api.faults.append(Fault("POST", 401, text="swordfish is not known"))
    with pytest.raises(ApplyFailed) as failed:
        engine.apply(declared(headers={"Authorization": iac.secret("Bearer swordfish")}))
    assert "((secret) is not known)" in str(cause(failed))
    assert "swordfish" not in str(failed.value) + repr(failed.value.exceptions)


def test_what_can_not_be_sent_is_not_repeated(api, ctx):
    """A line end in a header is refused without showing the header."""
    with pytest.raises(InvalidRequestError) as caught:
        send(ctx(), Request("read", "GET", f"{api.url}/things/1", {"Authorization": "hunter22\r\nX: y"}))
    assert "hunter22" not in str(caught.value)
    with pytest.raises(InvalidRequestError, match="can't be sent"):
        send(ctx(), Request("read", "GET", f"{api.url}/things/a b\n"))
    assert api.log == []
