"""How entries change a snapshot."""

from iaclib.state.journal import Began, Ended, Exported, Keyed, Noted, Ran, Working, reduce
from iaclib.state.record import Intent, KeptToken, Record, RunSummary, Snapshot


def _record(address="net/vpc", **facts):
    return Record(address=address, type="t:T", id=facts.pop("id", "id-1"), uid=facts.pop("uid", "u1"), **facts)


def _intent(step="s1", action="create", **facts):
    return Intent(step=step, action=action, token=f"token-{step}", record=facts.pop("record", _record(id="")), **facts)


def test_begun_step_is_an_intent_until_it_ends():
    """An intent is there from its begin entry to its end entry."""
    begun = reduce(Snapshot(), [Began(_intent())])
    assert list(begun.intents) == ["s1"]
    ended = reduce(begun, [Ended(step="s1", put=_record())])
    assert ended.intents == {}
    assert ended.records["net/vpc"].id == "id-1"


def test_every_prefix_of_a_replacement_names_every_object():
    """Whatever the moment of a kill, old and new object are records or intents."""
    old, new = _record(uid="u1", id="old"), _record(uid="u2", id="new", generation=2)
    entries = [
        Began(_intent("s1", record=new, replacing=True, supersedes=True)),
        Ended(step="s1", supersede="net/vpc", put=new),
        Began(_intent("s2", "delete", record=old, replacing=True)),
        Ended(step="s2", drop_superseded="u1"),
    ]
    start = Snapshot(records={"net/vpc": old})
    seen = []
    for length in range(len(entries) + 1):
        snapshot = reduce(start, entries[:length])
        seen.append(
            (
                [record.id for record in snapshot.records.values()],
                [record.id for record in snapshot.superseded],
                list(snapshot.intents),
            )
        )
    assert seen == [
        (["old"], [], []),
        (["old"], [], ["s1"]),
        (["new"], ["old"], []),
        (["new"], ["old"], ["s2"]),
        (["new"], [], []),
    ]


def test_checkpoint_adds_to_its_intent():
    """What a checkpoint leaves out stays as it was noted before."""
    snapshot = reduce(Snapshot(), [Began(_intent()), Noted("s1", id="i-1"), Noted("s1", data={"page": 2})])
    assert (snapshot.intents["s1"].id, snapshot.intents["s1"].data) == ("i-1", {"page": 2})


def test_checkpoint_of_an_ended_step_changes_nothing():
    """A late checkpoint does not bring an intent back."""
    assert reduce(Snapshot(), [Noted("s1", id="i-1")]).intents == {}


def test_generation_outlives_the_record():
    """A dropped record's generation is kept until a new record takes the address."""
    dropped = reduce(Snapshot(records={"net/vpc": _record(generation=3)}), [Ended(drop="net/vpc")])
    assert (dropped.records, dropped.generations) == ({}, {"net/vpc": 3})
    again = reduce(dropped, [Ended(put=_record(generation=4))])
    assert again.generations == {}


def test_kept_token_is_used_up_by_an_object():
    """A kept token stays through a record without id and goes with the first real one."""
    kept = reduce(Snapshot(), [Ended(step="s1", keep_token=("net/vpc", KeptToken("t", "digest")))])
    assert kept.tokens["net/vpc"].token == "t"
    assert "net/vpc" in reduce(kept, [Ended(put=_record(id="", status="awaiting_create"))]).tokens
    assert "net/vpc" not in reduce(kept, [Ended(put=_record())]).tokens


def test_outputs_and_key_are_replaced_whole():
    """Exports and the wrapped key are what the newest entry says."""
    snapshot = reduce(Snapshot(outputs={"a": 1}), [Exported({"b": 2}), Keyed({"keyring": "file"})])
    assert (snapshot.outputs, snapshot.key) == ({"b": 2}, {"keyring": "file"})


def test_a_run_is_no_part_of_the_snapshot():
    """A run's line of history changes no record, intent or output."""
    assert reduce(Snapshot(), [Ran(RunSummary("r1", "apply", "me", 0.0))]) == Snapshot()


def test_frozen_snapshot_does_not_change_later():
    """Entries applied after a freeze leave the frozen snapshot alone."""
    working = Working(Snapshot())
    frozen = working.freeze()
    working.apply(Ended(put=_record()))
    assert frozen.records == {}
