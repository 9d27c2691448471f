"""The provider: credentials, account, region, endpoint, sharing."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import threading
import time

import pytest

from iaclib import errors
from iaclib.aws.provider import Provider
from iaclib.model.values import Secret
from iaclib.provider.base import Identity
from iaclib.provider.context import Context

MOTO_ACCOUNT = "123456789012"


def test_identity_names_account_and_region(provider):
    """The identity is the account of the credentials and the provider's region."""
    assert provider.identity() == Identity(MOTO_ACCOUNT, "eu-west-1")


def test_identity_asks_sts_once(provider, monkeypatch):
    """The identity is asked for once in a provider's life, also by many threads."""
    calls = []
    sts = provider.client("sts")
    real = sts.call
    monkeypatch.setattr(sts, "call", lambda *args, **kw: (calls.append(args), real(*args, **kw))[1])
    threads = [threading.Thread(target=provider.identity) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1


def test_another_account_is_refused(moto):
    """Credentials of another account than ``account`` are refused, naming both."""
    provider = Provider(region="eu-west-1", endpoint_url=moto, account="999999999999")
    with pytest.raises(errors.CredentialsError, match=f"account {MOTO_ACCOUNT}, expected 999999999999"):
        provider.identity()
    assert Provider(region="eu-west-1", endpoint_url=moto, account=MOTO_ACCOUNT).identity().account == MOTO_ACCOUNT


def test_without_credentials_the_error_says_what_to_set(moto, monkeypatch):
    """No credentials anywhere is a CredentialsError with advice."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(errors.CredentialsError, match="AWS_ACCESS_KEY_ID"):
        Provider(region="eu-west-1", endpoint_url=moto).identity()


def test_unknown_profile_is_a_matter_of_credentials(moto):
    """A profile that is not configured is a CredentialsError naming it."""
    with pytest.raises(errors.CredentialsError, match="nowhere"):
        Provider(region="eu-west-1", profile="nowhere", endpoint_url=moto).identity()


def test_without_a_region_the_error_says_what_to_set(moto):
    """No region anywhere is a CredentialsError with advice, before any call."""
    with pytest.raises(errors.CredentialsError, match=r"set Provider\(region=...\), AWS_REGION"):
        Provider(endpoint_url=moto).identity()


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_region_comes_from_the_environment(moto, monkeypatch, name):
    """Both variables count, and the region is part of the recorded configuration."""
    monkeypatch.setenv(name, "eu-north-1")
    provider = Provider(endpoint_url=moto)
    assert provider.identity().region == "eu-north-1"
    assert provider.config() == {"region": "eu-north-1", "endpoint_url": moto}


def test_region_comes_from_the_profile(moto, monkeypatch, tmp_path):
    """A profile's region counts where nothing else says one, and is recorded."""
    config = tmp_path / "config"
    config.write_text("[profile shop]\nregion = sa-east-1\naws_access_key_id = a\naws_secret_access_key = b\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    provider = Provider(profile="shop", endpoint_url=moto)
    assert provider.identity().region == "sa-east-1"
    assert provider.config()["region"] == "sa-east-1"


def test_unreachable_endpoint_is_named_and_retryable(moto):
    """An endpoint where nobody listens is a retryable error that names it."""
    provider = Provider(region="eu-west-1", endpoint_url="http://127.0.0.1:9")
    started = time.monotonic()
    with pytest.raises(errors.ProviderError, match=r"http://127.0.0.1:9") as caught:
        provider.client("ec2").call("describe_vpcs")
    assert caught.value.retryable
    assert time.monotonic() - started < 10
    with pytest.raises(errors.ProviderError, match=r"http://127.0.0.1:9"):
        list(provider.client("ec2").items("describe_vpcs", "Vpcs"))


def test_an_error_is_not_chained_to_the_sdks(provider):
    """The SDK's exception may quote values: it is not in the chain."""
    with pytest.raises(errors.InvalidRequestError) as caught:
        provider.client("ec2").call("create_vpc", CidrBlock=["hunter2"])
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert "hunter2" not in str(caught.value)


def test_secrets_are_opened_for_the_call_only(provider):
    """A wrapped value reaches AWS, and an error of that call shows nothing of AWS's text."""
    sqs = provider.client("sqs")
    url = sqs.call("create_queue", QueueName="q", tags={"a": Secret("hunter2")})["QueueUrl"]
    assert sqs.call("list_queue_tags", QueueUrl=url)["Tags"] == {"a": "hunter2"}
    with pytest.raises(errors.ProviderError) as caught:
        provider.client("ec2").call("create_subnet", VpcId=Secret("vpc-hunter2"), CidrBlock="10.0.0.0/24")
    assert "hunter2" not in str(caught.value)


def test_items_follow_pages(provider):
    """Items come from all pages, with or without a paginator of boto's."""
    iam = provider.client("iam")
    for n in range(5):
        iam.call("create_group", GroupName=f"g{n}")
    assert len(list(iam.items("list_groups", "Groups", PaginationConfig={"PageSize": 2}))) == 5
    assert list(provider.client("ec2").items("describe_availability_zones", "AvailabilityZones[].RegionName"))


def test_clients_are_shared(provider):
    """A service's client is made once and the SDK leaves retries to the executor."""
    clients = []
    threads = [threading.Thread(target=lambda: clients.append(provider.client("ec2"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, clients))) == 1
    config = clients[0]._boto.meta.config
    assert config.retries["total_max_attempts"] == 1
    assert config.max_pool_connections >= 64


def test_role_is_assumed(moto):
    """With a role the calls are made as that role."""
    role = f"arn:aws:iam::{MOTO_ACCOUNT}:role/deploy"
    provider = Provider(region="eu-west-1", endpoint_url=moto, role=role)
    assert (
        provider.client("sts")
        .call("get_caller_identity")["Arn"]
        .startswith(f"arn:aws:sts::{MOTO_ACCOUNT}:assumed-role/deploy/")
    )
    assert provider.identity().account == MOTO_ACCOUNT


def test_role_without_credentials(moto, monkeypatch):
    """A role needs credentials to assume it with."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(errors.CredentialsError, match="to assume the role with"):
        Provider(region="eu-west-1", endpoint_url=moto, role="arn:aws:iam::1:role/x").identity()


def test_equal_settings_are_one_provider(moto):
    """Providers of equal settings are equal; copies and pickles too."""
    settings = {"region": "eu-west-1", "endpoint_url": moto, "default_tags": {"a": "b"}, "limits": {"iam": 2}}
    one, two = Provider(**settings), Provider(**settings)
    assert one == two
    assert len({one, two, pickle.loads(pickle.dumps(one))}) == 1
    assert copy.deepcopy(one) is one
    assert one != Provider(**{**settings, "region": "eu-west-2"})
    assert Provider.from_config(one.config()).config() == one.config()
    assert "default_tags" not in one.config()


def test_a_value_not_known_while_planning_is_refused():
    """A field that is not text is an error that names it and advises two stacks."""
    with pytest.raises(errors.InvalidPropertyError, match=r"region is a object.*another stack"):
        Provider(region=object())


def test_every_type_in_the_table_has_a_handler_that_recovery_can_use(provider):
    """Each type's handler loads, and has ``find`` or ``identity``."""
    from iaclib.aws.table import HANDLERS

    for type in HANDLERS:
        handler = provider.handler(type)
        assert hasattr(handler, "find") or hasattr(handler, "identity"), type
        assert all(hasattr(handler, name) for name in ("create", "read", "update", "delete")), type
    with pytest.raises(KeyError):
        provider.handler("aws:ec2:Nothing")


def test_importing_the_provider_loads_no_sdk():
    """Providers and handlers' table are cheap to import."""
    program = (
        "import sys, iaclib.aws; iaclib.aws.Provider(region='x'); assert not {'boto3', 'botocore'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_waiting_ends_at_the_deadline(provider):
    """A wait that gets no answer ends with an OperationTimeoutError naming address and reason."""
    from iaclib.aws.handlers.base import AwsHandler

    now = [0.0]

    def sleep(seconds):
        now[0] += seconds

    step = Context("net/vpc", "p/s:net/vpc", "p/s", provider, deadline=60.0, monotonic=lambda: now[0], sleep=sleep)
    with pytest.raises(errors.OperationTimeoutError, match="net/vpc: the thing is still there"):
        AwsHandler.wait(step, lambda: None, what="the thing is still there")
    assert now[0] == 60.0


def test_failure_after_the_object_was_made_is_partial(provider):
    """What fails after the first call is a repairable PartialFailure with the id, noted beforehand."""
    from iaclib.aws.handlers.base import AwsHandler

    noted = []
    step = Context("a", "p/s:a", "p/s", provider, checkpoint=lambda made, _data: noted.append(made))
    with pytest.raises(errors.PartialFailure) as caught, AwsHandler.finishing(step, "vpc-1"):
        raise errors.ThrottledError("slow")
    assert noted == ["vpc-1"]
    assert (caught.value.live.id, caught.value.repairable, caught.value.retryable) == ("vpc-1", True, True)
