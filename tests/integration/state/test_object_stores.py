"""What each service's client does with what its server answers, and with what isn't there."""

from __future__ import annotations

import sys

import pytest

from gate import said
from iaclib.backends import S3, AzureBlob, Gcs
from iaclib.backends import object_layout as layout
from iaclib.backends.object_probe import probe
from iaclib.backends.object_store import Changed
from iaclib.engine.engine import Engine
from iaclib.errors import ConfigError, StateError
from servers import free_port

KINDS = {"s3": S3, "gs": Gcs, "azblob": AzureBlob}
SECRET = "c2VjcmV0LWtleQ=="


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def store(request, kind):
    """Give a client of an empty place at a real server, without patience."""
    place = request.getfixturevalue(f"{kind}_place")
    backend = KINDS[kind].from_url(place(f"{kind}/{request.node.originalname}"))
    yield backend._store._store
    backend.close()


def test_conditions_hold(store):
    """What is there can't be made, what changed or is gone can't be overwritten, and each write has its version."""
    assert store.get("a/b") is None
    first = store.put_if_absent("a/b", b"1")
    with pytest.raises(Changed, match="a/b"):
        store.put_if_absent("a/b", b"2")
    second = store.put_if("a/b", first, b"3")
    with pytest.raises(Changed, match="a/b"):
        store.put_if("a/b", first, b"4")
    found = store.get("a/b")
    assert (found.data, found.version) == (b"3", second)
    store.delete("a/b")
    store.delete("a/b")
    assert store.get("a/b") is None
    with pytest.raises(Changed, match="a/b"):
        store.put_if("a/b", second, b"5")


def test_one_of_many_writers_wins(store):
    """Of writers that make, or overwrite, one object at once, one does."""
    from concurrent.futures import ThreadPoolExecutor

    def won(write):
        try:
            return write()
        except Changed:
            return ""

    with ThreadPoolExecutor(8) as pool:
        made = [one for one in pool.map(lambda n: won(lambda: store.put_if_absent("x", b"%d" % n)), range(8)) if one]
        assert len(made) == 1
        again = [
            one for one in pool.map(lambda n: won(lambda: store.put_if("x", made[0], b"a%d" % n)), range(8)) if one
        ]
    assert len(again) == 1


def test_lists_are_whole_and_sorted(store):
    """All objects under a prefix are listed by name, with their sizes, and none beside it."""
    names = [f"l/{n:02}" for n in range(12)]
    for name in [*reversed(names), "m/1", "k"]:
        store.put_if_absent(name, name.encode())
    listed = store.list("l/")
    assert [one.name for one in listed] == names
    assert {one.size for one in listed} == {4}
    assert all(one.modified > 1_600_000_000 for one in listed)
    assert store.list("nothing/") == []


def test_age_is_told(store):
    """The server says how old an object is: new, here."""
    store.put_if_absent("x", b"1")
    assert 0 <= store.get("x").age < 60


def test_missing_bucket_is_told(request, kind):
    """A bucket that isn't there is an error that names it, for readers and writers."""
    url = request.getfixturevalue(f"{kind}_place")("p").replace("iaclib-state", "no-such-bucket")
    store = KINDS[kind].from_url(url)._store._store
    for call in (lambda: store.put_if_absent("x", b"1"), lambda: store.list("")):
        with pytest.raises(StateError, match=r"no-such-bucket.*there is no such") as caught:
            call()
        assert not caught.value.retryable
    store.close()


def test_probe_passes(store):
    """The service does what conditional writes are for; that is marked, and nothing else is left of finding out."""
    probe(store)
    assert [one.name for one in store.list("")] == [layout.MARKER]
    probe(store)


def test_an_engine_keeps_its_state_there(request, kind):
    """``state=`` takes the URL, and another engine reads what one wrote."""
    from state_racer import Thing

    url = request.getfixturevalue(f"{kind}_place")(f"{kind}/engine")
    with Engine(state=url) as engine, engine.session("shop/prod") as session:
        session.ensure(Thing("a"))
    with Engine(state=url) as engine:
        assert list(engine.snapshot("shop/prod").records) == ["a"]
        assert [run.status for run in engine.history("shop/prod")] == ["ok"]
        engine.destroy("shop/prod")


# ------------------------------------------------------------------------------------------------------------ answers


def client(kind, url, monkeypatch):
    """Give a client of a server, with credentials that must not show."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAKEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
    monkeypatch.setenv(
        "AZURE_STORAGE_CONNECTION_STRING", f"AccountName=acc;AccountKey={SECRET};BlobEndpoint={url}/acc;"
    )
    rest = {"s3": f"?region=eu-west-1&endpoint_url={url}", "gs": "", "azblob": ""}[kind]
    bucket = {"s3": "bucket", "gs": "bucket", "azblob": "acc/bucket"}[kind]
    return KINDS[kind].from_url(f"{kind}://{bucket}/p{rest}")._store._store


@pytest.mark.parametrize("status", [409, 429, 500, 503, None])
def test_what_passes_is_told_as_such(kind, server, status, monkeypatch):
    """Conflicts, throttling, broken servers and lost connections may be tried again; the object is named, no key is."""
    server.wanted = (status, *said(kind, status, "Later")) if status else (None, {}, b"")
    store = client(kind, f"http://127.0.0.1:{server.server_port}", monkeypatch)
    for call in (lambda: store.get("x"), lambda: store.put_if_absent("x", b"1"), lambda: store.put_if("x", "7", b"1")):
        with pytest.raises(StateError, match=r"bucket/p/x") as caught:
            call()
        assert type(caught.value) is StateError
        assert caught.value.retryable
        assert SECRET not in repr(caught.value)
        assert "AKIAKEY" not in repr(caught.value)
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__
    store.close()


@pytest.mark.parametrize("status", [401, 403])
def test_what_is_forbidden_is_told(kind, server, status, monkeypatch):
    """A refusal is no passing failure; the message says where to look."""
    server.wanted = (status, *said(kind, status, "AuthorizationFailure"))
    store = client(kind, f"http://127.0.0.1:{server.server_port}", monkeypatch)
    for call in (lambda: store.get("x"), lambda: store.put_if_absent("x", b"1"), lambda: store.list("")):
        with pytest.raises(StateError, match=r"(refused|does not take|no usable).*credentials") as caught:
            call()
        assert not caught.value.retryable
        assert SECRET not in repr(caught.value)
    store.close()


def test_server_that_is_not_there_is_told(kind, monkeypatch):
    """Nobody listening is a failure that may pass."""
    store = client(kind, f"http://127.0.0.1:{free_port()}", monkeypatch)
    with pytest.raises(StateError, match=r"could not be reached") as caught:
        store.get("x")
    assert caught.value.retryable
    store.close()


# --------------------------------------------------------------------------------------------------------------- URLs


@pytest.mark.parametrize(
    "url",
    [
        "s3:bucket",
        "s3://",
        "s3://bucket/p?regoin=eu",
        "s3://key:hunter2@bucket/p",
        "s3://bucket/p#x",
        "gs:///p",
        "gs://bucket?region=eu",
        "azblob://account",
        "azblob://account/?x",
        "azblob://",
    ],
)
def test_wrong_urls_are_refused(url):
    """A URL of another form is an error that shows a right one, and nothing of a password."""
    with pytest.raises(ConfigError, match=r"expected (s3|gs|azblob)://.*state=") as caught:
        KINDS[url.partition(":")[0]].from_url(url)
    assert "hunter2" not in str(caught.value)


def test_urls_are_read():
    """Bucket, prefix and options; slashes too many don't matter."""
    assert repr(S3.from_url("s3://b/x//y/?region=eu-west-1")) == "S3('s3://b/x/y/')"
    assert repr(Gcs.from_url("gs://b")) == "Gcs('gs://b/')"
    assert repr(AzureBlob.from_url("azblob://a/c/x%20y")) == "AzureBlob('azblob://a/c/x y/')"


def test_azure_connection_string_must_read(monkeypatch):
    """One that doesn't is told, and not shown."""
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", f"AccountKey={SECRET}")
    with pytest.raises(ConfigError, match="AZURE_STORAGE_CONNECTION_STRING does not read") as caught:
        AzureBlob.from_url("azblob://a/c").stacks()
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "module"),
    [("s3://b/p", "botocore"), ("gs://b/p", "google.auth.credentials"), ("azblob://a/c", "azure.storage.blob")],
)
def test_missing_sdk_is_told(url, module, monkeypatch):
    """Without the service's SDK the error names what to install."""
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=r"SDK is not installed, expected [a-z0-9-]+; install iaclib\["):
        KINDS[url.partition(":")[0]].from_url(url).stacks()


def test_wrong_endpoint_is_told():
    """An address that is none is an error about the URL."""
    with pytest.raises(ConfigError, match=r"endpoint_url is no address"):
        S3.from_url("s3://bucket/p?region=us-east-1&endpoint_url=nowhere").stacks()
