"""Keys that stay in a key service: bound to their stack, refused and missing, and out of reach half way."""

from __future__ import annotations

import time

import boto3
import pytest

from iaclib import declare as iac
from iaclib.aws.keyring import AwsKms
from iaclib.aws.provider import Provider
from iaclib.azure.keyring import AzureKeyVault
from iaclib.backends import Memory
from iaclib.engine.engine import Engine
from iaclib.errors import SealError
from iaclib.gcp.keyring import GcpKms
from iaclib.model.addresses import StackRef
from kms_servers import azure_vault, google_kms
from recording import Cloud, Now, Thing
from servers import free_port

KEY = bytes(range(32))
NAME = "projects/p/locations/l/keyRings/r/cryptoKeys/"


class Shop(iac.Stack, project="shop"):
    """Secrets, one after the other."""

    size: int = 1

    def build(self):
        first = Thing("first", password="hunter2hunter2", size=self.size)
        Thing("second", password="hunter3hunter3", link=first.id, size=self.size)


@pytest.fixture(autouse=True)
def cloud():
    Now.cloud = Cloud()
    return Now.cloud


@pytest.fixture
def google():
    with google_kms() as service:
        yield service


@pytest.fixture
def azure(tmp_path):
    with azure_vault(tmp_path) as (service, trusted):
        yield service, trusted


class Credential:
    """Any token does."""

    def get_token(self, *_scopes, **_options):
        from azure.core.credentials import AccessToken

        return AccessToken("token", int(time.time()) + 3600)


def google_ring(service, key="k"):
    from google.auth.credentials import AnonymousCredentials
    from google.cloud.kms import KeyManagementServiceClient

    options = {"api_endpoint": service.url}
    client = KeyManagementServiceClient(credentials=AnonymousCredentials(), transport="rest", client_options=options)
    return GcpKms(NAME + key, client=client)


def azure_ring(pair, key="k"):
    service, trusted = pair
    return AzureKeyVault(
        f"{service.url}/keys/{key}",
        credential=Credential(),
        connection_verify=trusted,
        verify_challenge_resource=False,
        retry_total=0,
    )


def aws_ring(url):
    client = boto3.client("kms", region_name="eu-west-1", endpoint_url=url)
    arn = client.create_key()["KeyMetadata"]["Arn"]
    return AwsKms(arn, provider=Provider(region="eu-west-1", endpoint_url=url)), client


def bound(ring, other):
    """Check that a wrapped key opens for its stack and by its key alone."""
    wrapped = ring.wrap(KEY, "lineage", "shop/prod")
    assert KEY.hex() not in repr(wrapped)
    assert ring.unwrap(wrapped, "lineage") == KEY
    with pytest.raises(SealError):
        ring.unwrap(wrapped, "another")
    with pytest.raises(SealError):
        ring.unwrap({**wrapped, "stack": "shop/other"}, "lineage")
    with pytest.raises(SealError, match=r"another key than.*keyring=\[new, old\]"):
        other.unwrap(wrapped, "lineage")


def outlived(ring, stop, go_on):
    """Check that a service that goes away half way costs nothing, and the next run nothing but itself."""
    state = Memory()
    engine = Engine(state=state, keyring=ring, parallelism=0)
    Now.cloud.after["C first"] = stop
    assert engine.apply(Shop("prod")).ok
    stored = state.load(StackRef("shop", "prod"))
    Now.cloud.take()
    engine = Engine(state=state, keyring=ring, parallelism=0)
    for action in (lambda: engine.apply(Shop("prod", size=2)), lambda: engine.rotate("shop/prod")):
        with pytest.raises(SealError, match="nothing was changed"):
            action()
    assert not Now.cloud.take()
    assert state.load(StackRef("shop", "prod")) == stored
    go_on()
    assert engine.rotate("shop/prod").ok
    assert engine.apply(Shop("prod", size=2)).ok


def test_google_keys_are_bound(google):
    """By the additional authenticated data."""
    bound(google_ring(google), google_ring(google, "other"))
    assert all("additionalAuthenticatedData" in body for _, body in google.requests)


def test_google_outage(google):
    """In the middle of a run, and before the next."""
    outlived(google_ring(google), lambda: setattr(google, "down", True), lambda: setattr(google, "down", False))


@pytest.mark.parametrize("operation", ["encrypt", "decrypt"])
def test_google_permission(google, operation):
    """The message names the permission."""
    google.refusing.add(operation)
    with pytest.raises(SealError, match=f"useTo{operation.capitalize()}"):
        google_ring(google).unwrap(google_ring(google).wrap(KEY, "lineage"), "lineage")


def test_azure_keys_are_bound(azure):
    """By the key that the vault wraps, which wraps the stack's."""
    bound(azure_ring(azure), azure_ring(azure, "other"))


def test_azure_outage(azure):
    """In the middle of a run, and before the next."""
    service, _ = azure
    outlived(azure_ring(azure), lambda: setattr(service, "down", True), lambda: setattr(service, "down", False))


def test_azure_permission(azure):
    """The message names the permission."""
    service, _ = azure
    wrapped = azure_ring(azure).wrap(KEY, "lineage")
    service.refusing.add("unwrapkey")
    with pytest.raises(SealError, match="keys/unwrap"):
        azure_ring(azure).unwrap(wrapped, "lineage")


def test_aws_keys_are_bound(moto):
    """By the encryption context."""
    ring, client = aws_ring(moto)
    bound(ring, aws_ring(moto)[0])
    wrapped = ring.wrap(KEY, "lineage", "shop/prod")
    assert wrapped["id"] == ring.arn
    assert client.describe_key(KeyId=wrapped["id"])["KeyMetadata"]["Enabled"]


def test_aws_outage(moto):
    """In the middle of a run, and before the next: nobody listens any more."""
    ring, _ = aws_ring(moto)
    there = ring._provider
    nowhere = Provider(region="eu-west-1", endpoint_url=f"http://127.0.0.1:{free_port()}")
    outlived(ring, lambda: setattr(ring, "_provider", nowhere), lambda: setattr(ring, "_provider", there))


def test_aws_refusal(moto):
    """A key that may not be used, or isn't there: the message says which, and what has to be allowed."""
    ring, _ = aws_ring(moto)
    gone = AwsKms(f"{ring.arn[:-4]}0000", provider=ring._provider)
    with pytest.raises(SealError, match=r"0000.*kms:Encrypt"):
        Engine(state=Memory(), keyring=gone).apply(Shop("prod"))
    assert not Now.cloud.take()
