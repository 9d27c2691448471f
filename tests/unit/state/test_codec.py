"""What is written comes back exactly, and nothing else is read."""

import contextlib
import datetime as dt
import math

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iaclib.errors import SealError, StateCorruptError, StateError, StateVersionError
from iaclib.model.values import UNKNOWN, Secret
from iaclib.state import codec, packing, rows
from iaclib.state.journal import Began, Ended, Exported, Keyed, Noted, Ran, reduce
from iaclib.state.record import FORMAT, Intent, KeptToken, ProviderRecord, Record, RunSummary, Snapshot
from iaclib.state.seal import Sealed

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
keys = texts | st.sampled_from(["$iac:sealed", "$iac:", "$iac:$iac:sealed", "$iac:other", "unknown"])
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
    | st.sampled_from(["$iac:", "unknown", "null", '"unknown"'])
    | st.builds(Sealed, st.text("abc=", max_size=8))
)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=8
)
mappings = st.dictionaries(keys, values, max_size=4)
providers = st.builds(ProviderRecord, texts, texts, texts, mappings)
records = st.builds(
    Record,
    address=texts,
    type=texts,
    id=texts,
    uid=texts,
    inputs=mappings,
    baseline=mappings,
    observed=st.none() | mappings,
    outputs=mappings,
    dependencies=st.lists(texts, max_size=3).map(tuple),
    parent=texts,
    status=st.sampled_from(["ok", "failed", "tainted", "awaiting_create"]),
    repairable=st.booleans(),
    options=mappings,
    provider=st.none() | providers,
    generation=st.integers(1, 9),
    version=st.integers(1, 9),
    defined_by=texts,
)
steps = st.sampled_from(["s1", "s2", "s3"])
times = st.floats(0, 2e9)
intents = st.builds(
    Intent,
    step=steps,
    action=st.sampled_from(["create", "update", "delete"]),
    token=texts,
    record=records,
    before=st.none() | records,
    replacing=st.booleans(),
    supersedes=st.booleans(),
    absent=st.booleans(),
    begun=times,
    id=st.none() | texts,
    data=values,
)
tokens = st.builds(KeptToken, texts, texts, times)
runs = st.builds(
    RunSummary,
    id=texts,
    operation=texts,
    who=texts,
    began=times,
    ended=st.none() | times,
    status=texts,
    counts=st.dictionaries(texts, st.integers(0, 9), max_size=3),
    serial=st.integers(0, 99),
)
ends = st.builds(
    Ended,
    step=st.just("") | steps,
    put=st.none() | records,
    supersede=st.none() | texts,
    drop=st.none() | texts,
    drop_superseded=st.none() | texts,
    keep_token=st.none() | st.tuples(texts, tokens),
)
entries = st.one_of(
    ends,
    st.builds(Began, intents),
    st.builds(Noted, steps, st.none() | texts, values),
    st.builds(Exported, mappings),
    st.builds(Keyed, mappings),
    st.builds(Ran, runs),
)


def _exactly(one, other):
    """Equal, with types and order: 1, 1.0 and True differ, and so do orders of keys."""
    return one == other and repr(one) == repr(other)


@given(records)
def test_record_comes_back_exactly(record):
    """Whatever JSON a record holds, with the serializer's own marks in it too, comes back as it was."""
    assert _exactly(codec.load_record(codec.dump_record(record), "here", codec.Providers()), record)


@given(st.lists(entries, max_size=4))
def test_entries_come_back_exactly(written):
    """All kinds of entries come back as they were, in their order."""
    assert _exactly(codec.load_entries(codec.dump_entries(written), "here", codec.Providers()), written)


@given(runs)
def test_run_comes_back_exactly(run):
    """A run's line of history comes back as it was."""
    assert _exactly(codec.load_run(codec.dump_run(run), "here"), run)


@given(st.lists(records, max_size=5))
def test_records_read_at_once_are_those_read_one_by_one(written):
    """Reading in bulk gives the same records, those with marks last."""
    found = codec.load_records([codec.dump_record(record) for record in written], "here", codec.Providers())
    assert sorted(map(repr, found)) == sorted(map(repr, written))


@settings(max_examples=60)
@given(st.lists(st.lists(entries, max_size=4), max_size=4))
def test_folded_rows_are_the_reduced_journal(appends):
    """Folding append by append into rows gives what reducing the whole journal gives."""
    kept = {}

    def read(kind, names):
        return {name: kept[kind, name] for name in names if (kind, name) in kept}

    for append in appends:
        for key, data in rows.fold(append, read, "here").items():
            if data is None:
                kept.pop(key, None)
            else:
                kept[key] = data
    base = rows.unfold(((*key, data) for key, data in kept.items()), "lineage", 7, "here")
    whole = reduce(Snapshot(lineage="lineage"), [entry for append in appends for entry in append])
    assert _exactly(rows.replay(base, [], 7), rows.replay(whole, [], 7))


@given(st.lists(st.lists(entries, max_size=4), max_size=4))
def test_a_journal_read_at_once_leads_to_the_same_state(appends):
    """What is left out of it, beginnings of steps that end later in it, leaves nothing behind."""
    lines = [(codec.dump_entries(append), "here") for append in appends]
    read = reduce(Snapshot(lineage="lineage"), codec.load_journal(lines, codec.Providers()))
    whole = reduce(Snapshot(lineage="lineage"), [entry for append in appends for entry in append])
    assert _exactly(rows.replay(read, [], 7), rows.replay(whole, [], 7))


def test_order_of_keys_is_kept():
    """A mapping's order is part of what comes back."""
    record = Record("a", "t", "i", inputs={"b": 1, "a": {"z": 1, "y": 2}})
    found = codec.load_record(codec.dump_record(record), "here", codec.Providers())
    assert list(found.inputs) == ["b", "a"]
    assert list(found.inputs["a"]) == ["z", "y"]


def test_equal_providers_are_one_object():
    """Thousands of records share the few providers that they have."""
    written = [Record(f"a{n}", "t", "i", provider=ProviderRecord("aws", "1", "eu", {"x": 1})) for n in range(3)]
    found = codec.load_records([codec.dump_record(record) for record in written], "here", codec.Providers())
    assert len({id(record.provider) for record in found}) == 1


def test_baseline_that_is_the_inputs_is_written_once():
    """One object for both is written once and is one object again."""
    same = {"name": "x" * 100}
    data = codec.dump_record(Record("a", "t", "i", inputs=same, baseline=same))
    found = codec.load_record(data, "here", codec.Providers())
    assert data.count(b"x" * 100) == 1
    assert found.baseline is found.inputs


def test_unsealed_secret_is_refused_by_its_address():
    """An open secret never becomes bytes, and the message names the address, not the value."""
    entry = Ended(put=Record("net/db", "t", "i", inputs={"password": Secret("hunter2")}))
    with pytest.raises(SealError, match="net/db") as caught:
        codec.dump_entries([Exported({}), entry])
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [UNKNOWN, math.nan, math.inf, 2**64, dt.date(2026, 1, 1), object(), {1: 2}, "\ud800", {"deep": [UNKNOWN]}],
    ids=["unknown", "nan", "infinity", "65 bits", "date", "object", "number as key", "surrogate", "deep unknown"],
)
def test_what_is_no_json_is_refused(value):
    """What would come back as something else, or not at all, is an error that names the address."""
    with pytest.raises(StateError, match="net/db"):
        codec.dump_record(Record("net/db", "t", "i", inputs={"value": value}))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"\xff",
        b"null",
        b"[]",
        b"{}",
        b"7",
        b'[1,[["?",{}]]]',
        b'[1,[["e"]]]',
        b'[1,[["e",{"p":{}}]]]',
        b"[1]",
    ],
)
def test_damaged_entries_are_told_apart(data):
    """Bytes that are no entries are an error that names the place and what to do."""
    with pytest.raises(StateCorruptError, match=r"shop/prod.*restore"):
        codec.load_entries(data, "shop/prod", codec.Providers())


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"7", b'{"a":1}', b'{"a":"a","t":"t","i":"i","P":7}'])
def test_damaged_records_are_told_apart(data):
    """One bad record among good ones is an error, also when all are read at once."""
    good = codec.dump_record(Record("a", "t", "i"))
    with pytest.raises(StateCorruptError, match="shop/prod"):
        codec.load_records([good, data, good], "shop/prod", codec.Providers())


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data):
    """Reading arbitrary bytes never raises anything but a StateError."""
    with contextlib.suppress(StateError):
        codec.load_entries(data, "here", codec.Providers())


def test_newer_entries_are_refused():
    """Entries of a newer format ask for the newer iaclib."""
    with pytest.raises(StateVersionError, match=f"format {FORMAT + 1}.*newer iaclib"):
        codec.load_entries(orjson.dumps([FORMAT + 1, []]), "here", codec.Providers())


def test_stray_mark_is_refused():
    """A mark of the serializer where none belongs is damage, not data."""
    with pytest.raises(StateCorruptError, match="mark"):
        packing.loads(b'{"a":{"$iac:what":1}}', "here")
