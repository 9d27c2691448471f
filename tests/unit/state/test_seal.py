"""Secrets are sealed for one place, and open nowhere else."""

import base64
import json
import os
import stat
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from iaclib.errors import SealError
from iaclib.model.values import Secret
from iaclib.state.journal import Began, Ended, Exported, Keyed, Noted
from iaclib.state.keyfile import Ephemeral, KeyFile
from iaclib.state.record import Intent, Record, Snapshot
from iaclib.state.seal import Keyring, Sealed, Sealer, new_data_key
from iaclib.state.veil import open_record, open_snapshot, seal_entry, seal_record

KEY = bytes(range(32))
posix = pytest.mark.skipif(os.name == "nt", reason="modes of files are POSIX's")


@pytest.fixture
def sealer():
    return Sealer("lineage", KEY)


def _record(address="net/db", value="hunter2", **facts):
    return Record(address, "t", "i", inputs={"user": "me", "deep": [{"password": Secret(value)}]}, **facts)


@given(st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(st.characters(exclude_categories=["Cs"])))
def test_sealed_value_opens_to_itself(value):
    """Any JSON value opens to what was sealed."""
    sealer = Sealer("lineage", KEY)
    assert sealer.open(sealer.seal({"v": [value]}, "net/db"), "net/db") == {"v": [value]}


def test_sealed_value_shows_nothing(sealer):
    """Neither the text nor the repr of a sealed value holds the secret."""
    sealed = sealer.seal("hunter2", "net/db")
    assert "hunter2" not in repr(sealed) + sealed.text + base64.b64decode(sealed.text).decode("latin-1")
    assert sealed.text not in repr(sealed)


def test_equal_secrets_are_sealed_differently(sealer):
    """Each sealing has its own nonce, so that equal secrets don't show as equal."""
    assert sealer.seal("x", "net/db") != sealer.seal("x", "net/db")


def test_moved_value_does_not_open(sealer):
    """A value sealed for one address opens at no other, nor in another stack."""
    sealed = sealer.seal("hunter2", "net/db")
    with pytest.raises(SealError, match=r"net/other.*backup"):
        sealer.open(sealed, "net/other")
    with pytest.raises(SealError, match="net/db"):
        Sealer("another lineage", KEY).open(sealed, "net/db")


def test_wrong_key_does_not_open(sealer):
    """Another data key is an error that names the address and what to do."""
    with pytest.raises(SealError, match=r"net/db.*keyring"):
        Sealer("lineage", new_data_key()).open(sealer.seal("hunter2", "net/db"), "net/db")


@pytest.mark.parametrize("at", [0, 15, -1], ids=["nonce", "text", "tag"])
def test_altered_value_does_not_open(sealer, at):
    """One flipped bit anywhere is found."""
    data = bytearray(base64.b64decode(sealer.seal("hunter2", "net/db").text))
    data[at] ^= 1
    with pytest.raises(SealError, match="net/db"):
        sealer.open(Sealed(base64.b64encode(data).decode()), "net/db")


@pytest.mark.parametrize("text", ["", "AAAA", "no base64!", "é"])
def test_rubbish_does_not_open(sealer, text):
    """What was never sealed is a SealError too."""
    with pytest.raises(SealError, match="stack outputs"):
        sealer.open(Sealed(text), "")


def test_digest_depends_on_value_and_key(sealer):
    """Digests compare values by key, whatever the order of keys, and are worth nothing without the key."""
    assert sealer.digest({"a": 1, "b": Secret("x")}) == sealer.digest({"b": "x", "a": 1})
    assert sealer.digest("x") != sealer.digest("y")
    assert sealer.digest("x") != Sealer("lineage", new_data_key()).digest("x")


def test_signature_depends_on_data_purpose_lineage_and_key(sealer):
    """Any other of them gives another; the same give the same, and it is no digest of the data."""
    signed = sealer.sign(b"data", "plan")
    assert sealer.sign(b"data", "plan") == signed
    others = [
        sealer.sign(b"other", "plan"),
        sealer.sign(b"data", "state"),
        Sealer("other", KEY).sign(b"data", "plan"),
        Sealer("lineage", new_data_key()).sign(b"data", "plan"),
        sealer.digest("data"),
    ]
    assert len({signed, *others}) == 1 + len(others)


def test_record_without_secrets_is_the_same_object(sealer):
    """Nothing is copied where there is nothing to seal or open."""
    record = Record("a", "t", "i", inputs={"a": [1, {"b": None}]}, baseline={"a": 1.5}, observed={}, outputs={"x": ""})
    assert seal_record(record, sealer) is record
    assert open_record(record, sealer) is record
    assert seal_record(record, None) is record
    entry = Ended(put=record)
    assert seal_entry(entry, None) is entry
    snapshot = Snapshot(records={"a": record}, superseded=(record,))
    assert open_snapshot(snapshot, None) is snapshot


def test_all_parts_of_a_snapshot_are_sealed_and_opened(sealer):
    """Inputs, baseline, observed, outputs, both sides of intents, checkpoints and exports come back."""
    secret = {"x": Secret("hunter2")}
    record = _record(baseline=secret, observed=secret, outputs=secret)
    intent = Intent("s1", "update", "t", record, before=record, data=secret)
    entries = [Began(intent), Ended(put=record), Exported(secret), Noted("s1", data=secret), Keyed({"keyring": "file"})]
    began, ended, exported, noted, keyed = (seal_entry(entry, sealer) for entry in entries)
    assert keyed is entries[-1]
    for sealed in (began, ended, exported, noted):
        assert "Secret" not in repr(sealed)
    snapshot = Snapshot(
        records={"net/db": ended.put},
        superseded=(ended.put,),
        intents={"s1": began.intent, "s2": structs.replace(began.intent, data=noted.data)},
        outputs=exported.outputs,
    )
    opened = open_snapshot(snapshot, sealer)
    assert opened == Snapshot(
        records={"net/db": record}, superseded=(record,), intents={"s1": intent, "s2": intent}, outputs=secret
    )


def test_secret_without_a_key_is_refused():
    """Without a sealer a secret is an error naming address and remedy, never its value."""
    with pytest.raises(SealError, match=r"net/db.*Engine\(keyring=") as caught:
        seal_entry(Ended(put=_record()), None)
    assert "hunter2" not in str(caught.value)


def test_sealed_state_without_a_key_is_refused(sealer):
    """State with sealed values can't be opened without its key."""
    snapshot = Snapshot(records={"net/db": seal_record(_record(), sealer)})
    with pytest.raises(SealError, match=r"net/db.*keyring"):
        open_snapshot(snapshot, None)


def test_key_of_a_wrong_length_is_refused():
    """A data key has 32 bytes."""
    with pytest.raises(SealError, match="32"):
        Sealer("lineage", b"short")


def test_keyrings_unwrap_what_they_wrapped(tmp_path):
    """Both keyrings give the data key back, for the same context only."""
    for keyring in (Ephemeral(), KeyFile(tmp_path / "s.key")):
        assert isinstance(keyring, Keyring)
        wrapped = keyring.wrap(KEY, "lineage")
        assert keyring.unwrap(wrapped, "lineage") == KEY
        with pytest.raises(SealError, match="another stack"):
            keyring.unwrap(wrapped, "another lineage")


def test_another_keyring_does_not_unwrap(tmp_path):
    """Another key of the same kind, and another kind, are told apart."""
    wrapped = Ephemeral().wrap(KEY, "lineage")
    with pytest.raises(SealError, match="another key"):
        Ephemeral().unwrap(wrapped, "lineage")
    file = KeyFile(tmp_path / "s.key")
    file.wrap(KEY, "lineage")
    with pytest.raises(SealError, match="'ephemeral', expected 'file'"):
        file.unwrap(wrapped, "lineage")


@posix
def test_key_file_is_for_its_owner_alone(tmp_path):
    """The file has mode 0600, a folder made for it 0700, whatever the umask, and no other file stays."""
    path = tmp_path / "new" / "s.key"
    KeyFile(path).wrap(KEY, "lineage")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [file.name for file in path.parent.iterdir()] == ["s.key"]


@posix
def test_key_file_that_others_may_read_is_refused(tmp_path):
    """A key that others may have read is not used, and the message says how to mend it."""
    path = tmp_path / "s.key"
    wrapped = KeyFile(path).wrap(KEY, "lineage")
    path.chmod(0o640)
    with pytest.raises(SealError, match="chmod 600"):
        KeyFile(path).unwrap(wrapped, "lineage")


def test_missing_key_file_is_not_made_anew_to_unwrap(tmp_path):
    """A lost key file is said to be lost; a new one would open nothing."""
    path = tmp_path / "s.key"
    wrapped = KeyFile(path).wrap(KEY, "lineage")
    path.unlink()
    with pytest.raises(SealError, match=r"missing.*restore"):
        KeyFile(path).unwrap(wrapped, "lineage")
    assert not path.exists()


@pytest.mark.parametrize("content", [b"", b"short", b"!" * 44])
def test_damaged_key_file_is_refused_and_left_alone(tmp_path, content):
    """A key file that is none is an error, and is not overwritten."""
    path = tmp_path / "s.key"
    path.touch(mode=0o600)
    path.write_bytes(content)
    with pytest.raises(SealError, match="not a key file"):
        KeyFile(path).wrap(KEY, "lineage")
    assert path.read_bytes() == content


def test_key_file_in_a_missing_folder_is_refused(tmp_path):
    """Only one folder is made; a wrong path is an error."""
    with pytest.raises(SealError, match="can't be made"):
        KeyFile(tmp_path / "no" / "such" / "s.key").wrap(KEY, "lineage")


MAKER = """
import json, sys
from iaclib.state.keyfile import KeyFile
key = bytes.fromhex(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
print(json.dumps(dict(KeyFile(sys.argv[1]).wrap(key, "lineage"))))
"""


def test_processes_that_make_the_key_file_at_once_end_with_one_key(tmp_path):
    """All of several processes wrap with the key that is in the file in the end."""
    path, count = tmp_path / "s.key", 4
    command = [sys.executable, "-c", MAKER, str(path), KEY.hex()]
    children = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(count)
    ]
    for child in children:
        assert child.stdout.readline() == "ready\n"
    for child in children:
        child.stdin.write("go\n")
        child.stdin.flush()
    wrapped = [json.loads(child.communicate()[0]) for child in children]
    assert [KeyFile(path).unwrap(each, "lineage") for each in wrapped] == [KEY] * count
