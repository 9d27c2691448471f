"""What is wrong with the outside is said clearly, and changes nothing."""

from __future__ import annotations

import sqlite3

import pytest

import iaclib as iac
from iaclib import aws
from iaclib.aws import ec2
from iaclib.errors import (
    CredentialsError,
    DependencyCycleError,
    IaclibError,
    ProviderError,
    StateCorruptError,
    StateVersionError,
)


class Net(iac.Stack):
    """One VPC."""

    def build(self):
        ec2.VPC("vpc", cidr_block="10.0.0.0/16")


def engine(tmp_path, provider):
    return iac.Engine(state=f"sqlite:///{tmp_path}/s.db", providers=[provider])


def refused(tmp_path, provider, error):
    """Plan and apply; both are refused, and no state is made."""
    with engine(tmp_path, provider) as made:
        for operation in (made.plan, made.apply):
            with pytest.raises(IaclibError) as caught:
                operation(Net("test"))
            found = caught.value
            if isinstance(found, ExceptionGroup):
                found = found.exceptions[0].cause
            assert isinstance(found, error), found
        snapshot = made.snapshot("net/test")
        assert (snapshot.serial, dict(snapshot.records)) == (0, {})
    return str(found)


def test_no_credentials(moto, tmp_path, monkeypatch):
    """Without credentials nothing is tried, and the message says what to set."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "credentials" in refused(tmp_path, aws.Provider(region="eu-west-1", endpoint_url=moto), CredentialsError)


def test_another_account(moto, tmp_path):
    """A provider bound to one account refuses to work on another, and names both."""
    provider = aws.Provider(region="eu-west-1", endpoint_url=moto, account="999999999999")
    message = refused(tmp_path, provider, CredentialsError)
    assert "999999999999" in message
    assert "123456789012" in message


def test_unreachable_endpoint(moto, tmp_path):
    """An endpoint that nobody serves is named."""
    provider = aws.Provider(region="eu-west-1", endpoint_url="http://127.0.0.1:1")
    assert "127.0.0.1:1" in refused(tmp_path, provider, ProviderError)


@pytest.mark.parametrize(("damage", "error"), [("newer", StateVersionError), ("corrupt", StateCorruptError)])
def test_bad_state(provider, tmp_path, damage, error):
    """State that is newer or damaged is never operated on, and the file stays as it is."""
    with engine(tmp_path, provider) as made:
        made.apply(Net("test"))
    path = tmp_path / "s.db"
    if damage == "newer":
        with sqlite3.connect(path) as raw:
            raw.execute("UPDATE format SET number = 99")
        raw.close()
    else:
        path.write_bytes(path.read_bytes()[:3000] + b"\xff" * 3000)
    before = path.read_bytes()
    with engine(tmp_path, provider) as made:
        for operation in (made.plan, made.apply):
            with pytest.raises(error, match=r"s\.db"):
                operation(Net("test"))
    assert path.read_bytes() == before


def test_dependency_cycle(tmp_path, provider):
    """Resources that depend on each other in a circle are named with their lines."""
    with iac.Stack("test", project="net") as stack:
        one = ec2.VPC("one", cidr_block="10.0.0.0/16")
        ec2.VPC("two", cidr_block="10.1.0.0/16", opts=iac.Options(depends_on=(one,)))
        object.__setattr__(one._iac, "depends_on", ("two",))
    with engine(tmp_path, provider) as made, pytest.raises(DependencyCycleError, match="one.*two|two.*one") as caught:
        made.plan(stack)
    assert "test_bad_input.py:" in str(caught.value)
