"""Packs as files: what is written is read, and damage is noticed."""

import threading

import pytest

from iaclib.errors import PackError
from iaclib.schema import archive
from iaclib.schema.archive import Archive

ENTRIES = {"A": {"p": {"Name": "str"}}, "B": {"p": {"Name": "str", "Größe": "int"}}}


@pytest.fixture
def path(tmp_path):
    found = tmp_path / "x.pack"
    archive.write(found, ENTRIES, {"cloud": "x"}, b'"Name":"str"')
    return found


def test_what_is_written_is_read(path):
    found = Archive(path)

    assert list(found) == ["A", "B"]
    assert len(found) == 2
    assert "A" in found
    assert "C" not in found
    assert found.about == {"cloud": "x"}
    assert {name: found.entry(name) for name in found} == ENTRIES


def test_equal_entries_give_equal_bytes(path, tmp_path):
    again = tmp_path / "y.pack"
    archive.write(again, dict(reversed(ENTRIES.items())), {"cloud": "x"}, b'"Name":"str"')

    assert again.read_bytes() == path.read_bytes()


def test_an_unknown_entry_is_a_key_error(path):
    with pytest.raises(KeyError):
        Archive(path).entry("C")


def test_every_damaged_byte_is_noticed(path):
    """Nothing is read from a file of which one byte has changed, wherever it is."""
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        with pytest.raises(PackError, match=r"x\.pack: .*; install (it again|a newer iaclib)$"):
            for name in Archive(path):
                Archive(path).entry(name)


@pytest.mark.parametrize("length", [0, 7, 20, 60, -1])
def test_a_file_cut_short_is_noticed(path, length):
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(PackError, match="the pack is damaged"):
        [Archive(path).entry(name) for name in Archive(path)]


def test_a_newer_pack_asks_for_a_newer_iaclib(path, monkeypatch):
    monkeypatch.setattr(archive, "FORMAT", archive.FORMAT + 1)
    archive.write(path, ENTRIES, {})
    monkeypatch.undo()
    with pytest.raises(PackError, match="a pack of format 2, expected at most 1; install a newer iaclib"):
        Archive(path)


def test_a_missing_pack_says_so(tmp_path):
    with pytest.raises(PackError, match="can't be read"):
        Archive(tmp_path / "none.pack")


def test_threads_share_an_archive(path):
    found, seen = Archive(path), []
    threads = [
        threading.Thread(target=lambda: seen.extend(found.entry(name) == ENTRIES[name] for name in found))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert seen == [True] * 16
