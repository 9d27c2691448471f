"""Values that are kept apart from their records: stored once, sealed, found again wherever state goes."""

from __future__ import annotations

import json
import sqlite3

import pytest

import faulty_cloud
from iaclib import declare as iac
from iaclib.backends import Memory, Sqlite
from iaclib.engine.engine import Engine
from iaclib.errors import SealError, StateCorruptError
from iaclib.model.addresses import StackRef
from iaclib.model.values import Secret
from iaclib.state.blobs import LARGE
from iaclib.state.keyfile import Ephemeral
from recording import Account, Cloud, Now, Thing
from sentinels import files

REF = StackRef("shop", "prod")
TEXT = "an open text of some length, " * 4000
HIDDEN = "a secret text of some length " * 4000


class Shop(iac.Stack, project="shop"):
    """Large values of every kind: text, structure, secret, and one secret in a structure."""

    text: str = TEXT
    size: int = 1
    secret: bool = True

    def build(self):
        Thing("text", data={"a": self.text}, size=self.size)
        Thing("many", data={f"key {n:06}": f"{n}" for n in range(10_000)})
        if self.secret:
            Thing("hidden", password=HIDDEN, size=self.size)
            Thing("mixed", data={"open": "x", "hidden": iac.secret(HIDDEN)}, size=self.size)


@pytest.fixture(autouse=True)
def cloud():
    faulty_cloud.Now.cloud = faulty_cloud.Cloud()
    Now.cloud = Cloud()
    return Now.cloud


def engine_on(state, **options):
    return Engine(state=state, providers=[Account("1", "here")], parallelism=0, **options)


def says(engine, ref="shop/prod"):
    """Give what is recorded of large values, revealed, and which of them are secret."""
    records = engine.snapshot(ref).records
    hidden = records["hidden"].inputs["password"] if "hidden" in records else None
    mixed = records["mixed"].inputs["data"]["hidden"] if "mixed" in records else None
    assert isinstance(hidden, Secret | None)
    assert isinstance(mixed, Secret | None)
    return [
        records["text"].inputs["data"]["a"],
        len(records["many"].inputs["data"]),
        hidden.reveal() if hidden is not None else None,
        mixed.reveal() if mixed is not None else None,
    ]


ALL = [TEXT, 10_000, HIDDEN, HIDDEN]


@pytest.mark.parametrize("encrypt", [None, "all"])
def test_a_large_value_is_written_once(encrypt, monkeypatch):
    """What changes beside it writes little; each engine finds it again; what is replaced goes with the next run."""
    state = Memory()
    written = []
    append = state.append

    def counted(lease, entries, **head):
        from iaclib.state import codec

        written.append(len(codec.dump_entries(entries)))
        return append(lease, entries, **head)

    monkeypatch.setattr(state, "append", counted)
    keyring = Ephemeral()

    def engine():
        return engine_on(state, keyring=keyring, encrypt=encrypt)

    engine().apply(Shop("prod"))
    assert says(engine()) == ALL
    assert sum(written) > 4 * LARGE
    assert not engine().plan(Shop("prod"))
    written.clear()
    engine().apply(Shop("prod", size=2))
    assert says(engine()) == ALL
    assert sum(written) < LARGE / 2
    written.clear()
    engine().apply(Shop("prod", text=TEXT[1:], size=2))
    assert sum(written) > LARGE
    assert len(state.load(REF).blobs) == 5  # the one that nothing names any more among them
    engine().apply(Shop("prod", text=TEXT[1:], size=3))
    assert len(state.load(REF).blobs) == 4
    assert says(engine()) == [TEXT[1:], *ALL[1:]]
    engine().destroy("shop/prod")
    engine().apply(Shop("prod", secret=False))
    assert says(engine()) == [TEXT, 10_000, None, None]


def test_nothing_secret_is_readable(tmp_path):
    """Secrets are sealed apart as they are in their records; with `encrypt="all"` so is the rest."""
    with engine_on(f"sqlite:///{tmp_path}/a.db") as engine:
        engine.apply(Shop("prod"))
        everything = b"".join(files(tmp_path).values()) + engine.export_state("shop/prod").encode()
        assert HIDDEN[:20].encode() not in everything
        assert TEXT[:20].encode() in everything
    with engine_on(f"sqlite:///{tmp_path}/b/a.db", encrypt="all") as engine:
        engine.apply(Shop("prod"))
        everything = b"".join(files(tmp_path / "b").values()) + engine.export_state("shop/prod").encode()
        assert TEXT[:20].encode() not in everything
        assert b"key 000001" not in everything


def test_it_goes_where_its_record_goes(tmp_path):
    """Moved, renamed, transferred, copied, exported and imported, with a new key too."""
    ring = Ephemeral()
    with engine_on(f"sqlite:///{tmp_path}/a.db", keyring=ring) as engine:
        engine.apply(Shop("prod"))
        engine.move("shop/prod", "hidden", "moved")
        assert engine.snapshot("shop/prod").records["moved"].inputs["password"].reveal() == HIDDEN
        engine.move("shop/prod", "moved", "hidden")
        engine.rotate("shop/prod")
        assert says(engine) == ALL
        assert len(Sqlite(tmp_path / "a.db").load(REF).blobs) == 4
        engine.rename("shop/prod", "shop/live")
        engine.transfer("shop/live", "shop/other", {"hidden": "hidden", "text": "text"})
        assert engine.snapshot("shop/other").records["hidden"].inputs["password"].reveal() == HIDDEN
        engine.transfer("shop/other", "shop/live", {"hidden": "hidden", "text": "text"})
        assert says(engine, "shop/live") == ALL
        text = engine.export_state("shop/live")
        assert len(json.loads(text)["state"]["blobs"]) >= 4
        engine.copy_state("shop/live", to=f"sqlite:///{tmp_path}/b.db", keyring=ring)
    with engine_on(f"sqlite:///{tmp_path}/b.db", keyring=ring) as engine:
        assert says(engine, "shop/live") == ALL
        engine.import_state("shop/again", text)
        assert says(engine, "shop/again") == ALL
        engine.apply(Shop("again", size=5))
        assert says(engine, "shop/again") == ALL
        serial = engine.history("shop/again")[0].serial
        assert engine.snapshot("shop/again", serial=serial).records["text"].inputs["data"]["a"] == TEXT


def test_it_can_not_be_put_elsewhere(tmp_path):
    """A sealed value that somebody gives another name, or another resource, does not open."""
    for what in (
        "swap names",
        "hidden",
        "mixed",
    ):  # the others name a value that another record has, before it or behind
        path = tmp_path / f"{what}.db"
        with engine_on(f"sqlite:///{path}") as engine:
            engine.apply(Shop("prod"))
        with sqlite3.connect(path) as db:
            from zlib import crc32

            def put(kind, name, data, db=db):
                db.execute("UPDATE rows SET data=?, crc=? WHERE kind=? AND name=?", (data, crc32(data), kind, name))

            found = {(kind, name): data for kind, name, data in db.execute("SELECT kind, name, data FROM rows")}
            one, two = [(name, data) for (kind, name), data in found.items() if kind == "blob" and b"sealed" in data]
            if what == "swap names":
                put("blob", one[0], two[1])
                put("blob", two[0], one[1])
            else:
                record = found["record", what]
                old, new = (one, two) if one[0].encode() in record else (two, one)
                put("record", what, record.replace(old[0].encode(), new[0].encode()))
        db.close()
        with engine_on(f"sqlite:///{path}") as engine, pytest.raises(SealError, match="can't be opened"):
            engine.snapshot("shop/prod")


@pytest.mark.parametrize("which", ["one", "all"])
def test_one_that_is_missing_is_told_and_left_out(tmp_path, which):
    """The address and property are named; a repair leaves the value out, and the next apply sets it again."""
    path = tmp_path / "a.db"
    with engine_on(f"sqlite:///{path}") as engine:
        engine.apply(Shop("prod"))
        names = list(Sqlite(path).load(REF).blobs)
        engine.close()
        with sqlite3.connect(path) as db:
            sealed = [n for n, data in db.execute("SELECT name, data FROM rows WHERE kind='blob'") if b"sealed" in data]
            for name in sealed[:1] if which == "one" else names:
                db.execute("DELETE FROM rows WHERE name=?", (name,))
                db.execute("DELETE FROM base WHERE name=?", (name,))
            db.execute("DELETE FROM journal")
        db.close()
        if which == "one":
            wanted = r"the value of its \w+, which is kept apart, is missing.*repair"
            with pytest.raises(StateCorruptError, match=wanted):
                engine.snapshot("shop/prod")
        told = str(engine.repair("shop/prod"))
        assert "kept apart, is missing; it is left out" in told
        assert engine.repair("shop/prod", dry_run=False).mended
        engine.snapshot("shop/prod")
        assert engine.plan(Shop("prod"))
        assert engine.apply(Shop("prod")).ok
        assert says(engine) == ALL


def test_a_write_that_can_not_be_sealed_takes_nothing_along():
    """What a refused write would have stored comes with the next one."""
    from iaclib.engine.vault import Vault
    from iaclib.state.journal import Ended, Stored
    from iaclib.state.record import Record

    vault = Vault(REF, Ephemeral())
    good = Ended(put=Record("a", "t", "i", inputs={"p": Secret(HIDDEN)}))
    bad = Ended(put=Record("b", "t", "i", inputs={"p": Secret(object())}))
    with pytest.raises(SealError):
        vault.seal([good, bad], "lineage")
    kinds = [type(entry).__name__ for entry in vault.seal([good], "lineage")]
    assert kinds == ["Keyed", "Stored", "Ended"]
    assert not [entry for entry in vault.seal([good], "lineage") if isinstance(entry, Stored)]
