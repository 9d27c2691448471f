"""What an object store may not do, can't do for now, or has no room for is told plainly, and costs nothing.

Real clients speak over HTTP to the real servers through a gate, which answers
as the services do, or to a server that says what the test wants.
"""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from gate import DELETE, KINDS, LIST, READ, WRITE, gate, said
from iaclib import declare as iac
from iaclib.backends import S3, AzureBlob, Gcs
from iaclib.backends import object_layout as layout
from iaclib.engine.engine import Engine
from iaclib.errors import ConfigError, StateError
from iaclib.model.addresses import StackRef
from iaclib.state.keyfile import KeyFile
from recording import Cloud, Now, Thing
from virtual import VirtualClock

SERVICES = {"s3": S3, "gs": Gcs, "azblob": AzureBlob}
PLACES = {"s3": "s3://iaclib-state/", "gs": "gs://iaclib-state/", "azblob": "azblob://devstoreaccount1/iaclib-state/"}
NEEDED = {
    "s3": {LIST: "s3:ListBucket", READ: "s3:GetObject", WRITE: "s3:PutObject", DELETE: "s3:DeleteObject"},
    "gs": {
        LIST: "storage.objects.list",
        READ: "storage.objects.get",
        WRITE: "storage.objects.create",
        DELETE: "storage.objects.delete",
    },
    "azblob": dict.fromkeys(KINDS, "Storage Blob Data Contributor"),
}
TRIED = {LIST: "list", READ: "read", WRITE: "(make|overwrite)", DELETE: "delete"}
REF = "p/s"


class Two(iac.Stack, project="p"):
    """A, and B on it."""

    def build(self):
        Thing("b", link=Thing("a").id)


@pytest.fixture(params=SERVICES)
def service(request):
    return request.param


@pytest.fixture
def gated(request, service, tmp_path, monkeypatch):
    """Give a gate, and a maker of engines whose state lies behind it."""
    monkeypatch.chdir(tmp_path)  # where spills go
    Now.cloud = Cloud()
    url = request.getfixturevalue(f"{service}_place")(f"{tmp_path.name}")
    behind = request.getfixturevalue({"s3": "moto", "gs": "gcs_server", "azblob": "azure_server"}[service])
    if service == "azblob":
        behind = behind.partition("BlobEndpoint=")[2].rstrip(";")
    with gate(service, behind) as made:
        origin = made.url
        if service == "azblob":
            text = request.getfixturevalue("azure_server").partition("BlobEndpoint=")[0]
            monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", f"{text}BlobEndpoint={origin}/devstoreaccount1;")
        elif service == "gs":
            monkeypatch.setenv("STORAGE_EMULATOR_HOST", origin)
        else:
            url = url.replace(behind, origin)
        engines = []

        def opened():
            backend, keyring = SERVICES[service].from_url(url), KeyFile(tmp_path / "key")
            engines.append(Engine(state=backend, keyring=keyring, _clock=VirtualClock()))
            return engines[-1]

        yield made, opened
        for engine in engines:
            engine.close()


def objects(engine):
    """Give all that lies in the place."""
    store = engine._settings.backend._store._store
    return {one.name: store.get(one.name).data for one in store.list("")}


def refused(service, tried):
    """Give how the error reads."""
    return rf"(?s){PLACES[service]}.* refused to {TRIED[tried]} it \(.*permission.*{NEEDED[service][tried]}.*grant"


@pytest.mark.parametrize("denied", KINDS)
def test_denied_before_anything_is_there(gated, service, denied):
    """One permission that is missing is named before anything is made, in the place or in the cloud."""
    gate, opened = gated
    gate.denying = {denied}
    engine = opened()
    with pytest.raises(StateError, match=refused(service, denied)) as caught:
        engine.apply(Two("s"))
    assert not caught.value.retryable
    assert len(gate.denied) <= 2  # a client asks twice for itself
    assert Now.cloud.calls == []
    gate.denying = set()
    assert objects(engine) == {}
    assert engine.apply(Two("s")).ok


@pytest.mark.parametrize("denied", [LIST, READ, WRITE])
def test_denied_where_state_is(gated, service, denied):
    """State that is there stays as it is, nothing is called, and nobody is kept from it once the right is back."""
    gate, opened = gated
    with opened() as engine:
        engine.apply(Two("s"))
        serial = engine.snapshot(REF).serial
    Now.cloud.calls.clear()
    gate.denying = {denied}
    engine = opened()
    with pytest.raises(StateError, match=refused(service, denied)):
        engine.destroy(REF)
    assert len(gate.denied) <= 4
    assert Now.cloud.calls == []
    gate.denying = set()
    engine = opened()
    assert engine.snapshot(REF).serial == serial
    assert engine.destroy(REF).ok


def test_writing_denied_on_the_way(gated, service):
    """What a run's calls came to is spilled, the error names the permission, and a replay brings it back."""
    gate, opened = gated
    Now.cloud.after["C a"] = lambda: setattr(gate, "denying", {WRITE})
    engine = opened()
    with pytest.raises(StateError, match=refused(service, WRITE)) as caught:
        engine.apply(Two("s"))
    assert f"engine.replay({caught.value.spill!r})" in str(caught.value)
    assert Now.cloud.calls == ["C a"]
    assert len(gate.denied) <= 8
    Now.cloud.after.clear()
    gate.denying = set()
    engine.replay(caught.value.spill)
    assert set(engine.snapshot(REF).records) == {"a"}
    assert engine.apply(Two("s")).ok
    assert [len(Now.cloud.ids(name)) for name in "ab"] == [1, 1]


@pytest.mark.parametrize("denied", [LIST, READ, DELETE])
def test_what_a_run_does_not_need_is_not_asked_for(gated, denied):
    """A run that is on its way only writes: it ends well, whatever else is taken from it."""
    gate, opened = gated
    Now.cloud.after["C a"] = lambda: setattr(gate, "denying", {denied})
    engine = opened()
    assert engine.apply(Two("s")).ok
    gate.denying = set()
    assert set(engine.snapshot(REF).records) == {"a", "b"}


# ------------------------------------------------------------------------------------------------------ other answers

ANSWERS = [
    ("s3", 400, "ExpiredToken", r"does not take the credentials .*\(ExpiredToken\).*aws sso login"),
    ("s3", 403, "InvalidAccessKeyId", r"does not take the credentials .*\(InvalidAccessKeyId\)"),
    ("s3", 403, "SignatureDoesNotMatch", r"does not take the credentials"),
    ("s3", 403, "RequestTimeTooSkewed", r"set this machine's clock"),
    ("s3", 404, "NoSuchBucket", r"no such bucket.*correct state="),
    ("s3", 301, "PermanentRedirect", r"the bucket is in another region.*region=eu-west-1"),
    ("s3", 307, "TemporaryRedirect", r"the bucket is in another region.*region=eu-west-1"),
    ("s3", 400, "AuthorizationHeaderMalformed", r"the bucket is in ap-south-1, expected the region"),
    ("s3", 507, "XMinioStorageFull", r"no room left to .*\(XMinioStorageFull\).*quota"),
    ("s3", 507, "", r"no room left to .*\(507\)"),
    ("s3", 400, "XMinioAdminBucketQuotaExceeded", r"no room left"),
    ("s3", 403, "QuotaExceeded", r"no room left"),
    ("s3", 403, "AllAccessDisabled", r"refused to .*\(AllAccessDisabled\)"),
    ("s3", 501, "NotImplemented", r"refused to .*\(NotImplemented\)"),
    ("s3", 403, "", r"refused to .*\(403\).*permission s3:"),
    ("gs", 403, "", r"refused to .*\(403\).*permission storage\.objects\."),
    ("azblob", 403, "", r"refused to .*\(403\).*Storage Blob Data Contributor"),
    ("gs", 403, "accountDisabled", r"refused to .*\(accountDisabled\)"),
    ("gs", 403, "quotaExceeded", r"no room left to .*\(quotaExceeded\)"),
    ("gs", 403, "retentionPolicyNotMet", r"keeps objects from being changed"),
    ("gs", 400, "invalid", r"refused to .*\(invalid\)"),
    ("azblob", 403, "AuthenticationFailed", r"does not take the credentials .*AuthenticationFailed.*az login"),
    ("azblob", 403, "KeyBasedAuthenticationNotPermitted", r"does not take the credentials"),
    ("azblob", 403, "AuthorizationFailure", r"Storage Blob Data Contributor.*network rules"),
    ("azblob", 403, "AccountIsDisabled", r"refused to .*\(AccountIsDisabled\)"),
    ("azblob", 404, "ContainerNotFound", r"no such container"),
    ("azblob", 409, "BlobImmutableDueToPolicy", r"keeps objects from being changed"),
    ("azblob", 412, "LeaseIdMissing", r"refused to .*\(LeaseIdMissing\)"),
    ("azblob", 507, "", r"no room left"),
]


def answering(service, server, monkeypatch, status, code, message="m", **headers):
    """Give a backend whose server answers everything so."""
    url = f"http://127.0.0.1:{server.server_port}"
    region = "<Region>ap-south-1</Region>" if code == "AuthorizationHeaderMalformed" else ""
    told, body = said(service, status, code, message, region)
    server.wanted = (status, {**told, **headers}, body if code else b"")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAKEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "c2VjcmV0LWtleQ==")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
    key = "AccountName=acc;AccountKey=c2VjcmV0LWtleQ==;"
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", f"{key}BlobEndpoint={url}/acc;")
    place = {"s3": f"bucket/p?region=us-east-1&endpoint_url={url}", "gs": "bucket/p", "azblob": "acc/bucket/p"}
    return SERVICES[service].from_url(f"{service}://{place[service]}")


@pytest.mark.parametrize(("service", "status", "code", "message"), ANSWERS)
def test_answers_are_told_plainly(service, status, code, message, server, monkeypatch):
    """Each says what is wrong and what to do, for a write as for a list, and is not tried again."""
    backend = answering(service, server, monkeypatch, status, code)
    store = backend._store._store
    for call in (lambda: store.put_if_absent("x", b"1"), lambda: store.put_if("x", "7", b"1"), lambda: store.list("")):
        with pytest.raises(StateError, match=rf"bucket/p/.*{message}") as caught:
            call()
        assert type(caught.value) is StateError
        assert not caught.value.retryable
        assert "c2VjcmV0" not in repr(caught.value)
    backend.close()


@pytest.mark.parametrize("what", ["get", "make", "overwrite", "list"])
def test_answers_of_something_else_are_no_state(service, what, server, monkeypatch):
    """A page that says that all is well, of whatever is at the address instead, is neither state nor the lack of it."""
    backend = answering(service, server, monkeypatch, 200, "x")
    server.wanted = (200, {"Content-Type": "text/html"}, b"<html>sign in to the hotel's network</html>")
    store = backend._store._store
    calls = {
        "get": lambda: layout.load_head(store.get("x").data, StackRef("p", "s"), store.place),
        "make": lambda: store.put_if_absent("x", b"1"),
        "overwrite": lambda: store.put_if("x", "7", b"1"),
        "list": lambda: store.list(""),
    }
    with pytest.raises(StateError, match=r"bucket/p/.*(could not be reached|not one that iaclib wrote)"):
        calls[what]()
    backend.close()


@pytest.mark.parametrize("status", [301, 307])
def test_region_is_named_where_it_is_told(status, server, monkeypatch):
    """A bucket that is elsewhere is an error that says where."""
    headers = {"x-amz-bucket-region": "ap-south-1"}
    backend = answering("s3", server, monkeypatch, status, "PermanentRedirect", **headers)
    with pytest.raises(StateError, match=r"the bucket is in ap-south-1, expected .*region=eu-west-1, in state="):
        backend.stacks()
    backend.close()


def test_bucket_that_is_missing_is_told(service, server, monkeypatch):
    """Reading says so too, and not that there is nothing."""
    code = {"s3": "NoSuchBucket", "gs": "notFound", "azblob": "ContainerNotFound"}[service]
    backend = answering(service, server, monkeypatch, 404, code, "The specified bucket does not exist.")
    with pytest.raises(StateError, match=r"there is no such (bucket|container), expected it to exist"):
        backend._store.get("heads/p/s")
    backend.close()


@pytest.mark.parametrize(
    ("service", "status", "code"),
    [
        ("s3", 503, "SlowDown"),
        ("gs", 429, "rateLimitExceeded"),
        ("gs", 403, "rateLimitExceeded"),
        ("azblob", 503, "ServerBusy"),
    ],
)
def test_throttling_without_end_is_told(service, status, code, server, monkeypatch):
    """Patience ends after half a minute at most, and the error says what was in the way."""
    backend, waits = answering(service, server, monkeypatch, status, code), []
    backend._store._sleep = waits.append
    with pytest.raises(StateError, match=rf"can't list it now \({code}\).*try again later"):
        backend.stacks()
    assert len(waits) == 7
    assert sum(waits) < 30
    backend.close()


# -------------------------------------------------------------------------------------------------------- credentials


def test_no_aws_credentials_are_told(moto, monkeypatch):
    """Without any nothing is asked, and the error says how to get some."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(StateError, match=r"s3://b/p/.*no usable credentials.*NoCredentialsError.*aws sso login"):
        S3.from_url(f"s3://b/p?region=us-east-1&endpoint_url={moto}").stacks()


def test_wrong_bucket_name_is_told(moto):
    """What no bucket can be called is an error about the URL."""
    with pytest.raises(ConfigError, match=r"s3://a\$b/p/.*not a name that S3 takes.*state="):
        S3.from_url(f"s3://a$b/p?region=us-east-1&endpoint_url={moto}").stacks()


@pytest.mark.parametrize(
    ("status", "known"), [(400, "no usable credentials for Google.*RefreshError"), (None, "could not be reached")]
)
def test_google_credentials_that_give_nothing_are_told(status, known, server, tmp_path, monkeypatch):
    """Those that were revoked are no failure that passes; not to reach who knows is one."""
    server.wanted = (status, {"Content-Type": "application/json"}, b'{"error": "invalid_grant"}')
    key = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = {
        "type": "service_account",
        "client_email": "me@example.com",
        "private_key": key.decode(),
        "token_uri": f"http://127.0.0.1:{server.server_port}/token",
    }
    file = tmp_path / "credentials.json"
    file.write_text(json.dumps(account))
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    backend = Gcs("b", "p", sleep=lambda _seconds: None)
    with pytest.raises(StateError, match=rf"gs://b/p/.*({known})") as caught:
        backend.stacks()
    assert caught.value.retryable == (status is None)
    assert "PRIVATE" not in repr(caught.value)
    backend.close()


def test_no_azure_credentials_are_told(monkeypatch):
    """Where there is neither a connection string nor anything else, the error names both ways."""
    monkeypatch.delenv("AZURE_STORAGE_CONNECTION_STRING", raising=False)
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    for name in ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    backend = AzureBlob("acc", "c", "p")
    with pytest.raises(StateError, match=r"azblob://acc/c/p/.*no usable credentials.*az login.*CONNECTION_STRING"):
        backend.stacks()
    backend.close()
