"""Bytes and seals: what is written comes back, and secrets stay shut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from iaclib.errors import SealError, StateCorruptError
from iaclib.model.values import Secret
from iaclib.state import codec
from iaclib.state.journal import Began, Ended, Exported, Keyed, Noted, Ran
from iaclib.state.keyfile import Ephemeral, KeyFile
from iaclib.state.record import Intent, KeptToken, ProviderRecord, Record, RunSummary
from iaclib.state.seal import Sealer, new_data_key
from iaclib.state.veil import open_record, seal_record

json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text() | st.sampled_from(["$iac:sealed", "$iac:$iac:", "$iac:x"]), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), json, max_size=4))
def test_any_json_comes_back_as_it_was(inputs):
    """A record with any JSON in it survives writing and reading."""
    record = Record(
        "a/b", "x:Y", "id", inputs=inputs, outputs={"o": inputs}, dependencies=("c",), provider=ProviderRecord("p", "1")
    )
    assert codec.load_record(codec.dump_record(record), "here", codec.Providers()) == record


def test_every_entry_comes_back_as_it_was():
    """All kinds of journal entries survive writing and reading."""
    record = Record("a", "x:Y", "i", observed={}, status="failed", repairable=True, generation=3)
    entries = [
        Began(Intent("s", "create", "t", record, before=record, supersedes=True, begun=1.5)),
        Noted("s", "id", {"x": 1}),
        Ended("s", put=record, supersede="a", drop_superseded="u", keep_token=("a", KeptToken("t", "d", 2.0))),
        Exported({"x": [1]}),
        Keyed({"k": "v"}),
        Ran(RunSummary("r", "apply", "me", 1.0, 2.0, "ok", {"create": 1}, 3)),
    ]
    assert codec.load_entries(codec.dump_entries(entries), "here", codec.Providers()) == entries


def test_open_secret_is_refused():
    """The serializer refuses a secret that nobody sealed."""
    with pytest.raises(SealError, match="unsealed"):
        codec.dump_record(Record("a", "x:Y", "i", inputs={"p": Secret("hunter2")}))


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"address": 1, "zzz": 2}', b"\xff\x00", b"null"])
def test_damaged_record_is_reported(data):
    """Bytes that are no record are a StateCorruptError that says where."""
    with pytest.raises(StateCorruptError, match="here"):
        codec.load_record(data, "here", codec.Providers())


def test_sealed_record_opens_again_and_shows_nothing():
    """A sealed record's bytes don't hold the secret, and it opens to the same record."""
    sealer = Sealer("lineage", new_data_key())
    record = Record("a", "x:Y", "i", inputs={"p": [{"q": Secret("hunter2")}]}, outputs={"n": Secret({"k": 1})})
    sealed = seal_record(record, sealer)
    data = codec.dump_record(sealed)
    assert b"hunter2" not in data
    assert open_record(codec.load_record(data, "here", codec.Providers()), sealer) == record


def test_seal_is_bound_to_its_place_and_key():
    """A seal moved to another address or lineage, or opened with another key, does not open."""
    key = new_data_key()
    sealed = seal_record(Record("a", "x:Y", "i", inputs={"p": Secret("s")}), Sealer("l", key))
    for sealer, record in (
        (Sealer("l", key), structs.replace(sealed, address="b")),
        (Sealer("m", key), sealed),
        (Sealer("l", new_data_key()), sealed),
    ):
        with pytest.raises(SealError):
            open_record(record, sealer)


def test_key_file_is_private_and_kept(tmp_path):
    """A key file is made once, for its user alone, and another key is told from it."""
    ring = KeyFile(tmp_path / "new" / "key")
    wrapped = ring.wrap(b"k" * 32, "lineage")
    path = tmp_path / "new" / "key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert KeyFile(path).unwrap(wrapped, "lineage") == b"k" * 32
    with pytest.raises(SealError):
        Ephemeral().unwrap(wrapped, "lineage")
    path.chmod(0o644)
    with pytest.raises(SealError):
        KeyFile(path).unwrap(wrapped, "lineage")
