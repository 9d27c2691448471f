"""Files and directories on a real disk, through the engine."""

from __future__ import annotations

import base64
import stat

import pytest

import iaclib as iac
from iaclib.errors import ApplyFailed, ConflictError, InvalidPropertyError, InvalidRequestError, NotFoundError
from iaclib.local import Directory, File, Provider
from iaclib.local.handlers.file import FileHandler


def mode(path):
    return f"{stat.S_IMODE(path.lstat().st_mode):04o}"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def causes(failed):
    return [error.cause for error in failed.value.exceptions]


def test_a_file_lives_its_whole_life(engine, work, stack, actions):
    """A file is created, kept, updated in place, repaired after drift, moved and deleted."""
    path = work / "a.txt"

    def declared(content="one", where=path, **more):
        return stack(lambda: File("file", path=str(where), content=content, **more))

    run = engine.apply(declared())
    assert actions(run) == ["create file"]
    assert (path.read_text(), mode(path)) == ("one", "0600")
    record = engine.snapshot("local/test").records["file"]
    assert record.id == str(path)
    assert record.outputs["size"] == 3
    assert not engine.plan(declared())
    assert not engine.plan(declared(), refresh=True)

    assert actions(engine.apply(declared("two", mode="0640"))) == ["update file"]
    assert (path.read_text(), mode(path)) == ("two", "0640")

    path.write_text("theirs")
    path.chmod(0o666)
    drift = engine.drift("local/test")
    assert {(item.path, item.after) for change in drift.changes for item in change.properties} == {
        (("content",), "theirs"),
        (("mode",), "0666"),
    }
    assert actions(engine.apply(engine.plan(declared("two", mode="0640"), refresh=True))) == ["update file"]
    assert (path.read_text(), mode(path)) == ("two", "0640")

    other = work / "b.txt"
    assert actions(engine.apply(declared("two", other))) == ["create file", "delete file"]
    assert names(work) == ["b.txt"]

    other.unlink()
    assert actions(engine.plan(declared("two", other), refresh=True)) == ["create file"]
    engine.apply(engine.plan(declared("two", other), refresh=True))
    assert other.read_text() == "two"
    other.unlink()
    assert actions(engine.destroy("local/test")) == ["delete file"]
    assert names(work) == []


def test_bytes_are_written_as_they_are(engine, work, stack):
    """Base64 content is decoded, and drift of it is seen."""
    data = bytes(range(256))
    declared = stack(
        lambda: File("raw", path=str(work / "raw"), content_base64=base64.b64encode(data).decode(), mode="0644")
    )
    engine.apply(declared)
    assert (work / "raw").read_bytes() == data
    assert not engine.drift("local/test")
    (work / "raw").write_bytes(b"\xff")
    assert [item.after for change in engine.drift("local/test").changes for item in change.properties] == ["/w=="]


@pytest.mark.parametrize("found", [b"\xff\xfe", b"(secret)", b"x" * 5_000_000], ids=["binary", "mask", "large"])
def test_content_that_state_can_not_hold_is_drift(engine, work, stack, actions, found):
    """Whatever replaced the content, refreshing works and says that it changed."""
    declared = stack(lambda: File("file", path=str(work / "f"), content="mine"))
    engine.apply(declared)
    (work / "f").write_bytes(found)
    assert actions(engine.plan(declared, refresh=True)) == ["update file"]
    engine.apply(engine.plan(declared, refresh=True))
    assert (work / "f").read_text() == "mine"


def test_secret_content_shows_nowhere(engine, work, stack, tmp_path):
    """Neither plan, drift, state nor hash tell a secret that a file holds."""

    def declared(text):
        return stack(lambda: File("file", path=str(work / "f"), content=iac.secret(text)))

    plan = engine.plan(declared("hunter22"))
    assert "hunter22" not in str(plan)
    engine.apply(plan)
    assert (work / "f").read_text() == "hunter22"
    assert isinstance(engine.snapshot("local/test").records["file"].outputs["sha256"], iac.Secret)
    (work / "f").write_text("hunter22 and more")
    assert "hunter22" not in str(engine.drift("local/test"))
    plan = engine.plan(declared("hunter22"), refresh=True)
    assert "content" in str(plan)
    assert "hunter22" not in str(plan) + repr(plan.changes)
    engine.refresh("local/test")
    assert b"hunter22" not in b"".join(path.read_bytes() for path in (tmp_path / "state").iterdir())


def test_what_others_made_is_never_overwritten(engine, work, stack):
    """A file that exists already is a conflict, and stays as it is."""
    path = work / "f"
    path.write_text("theirs")
    with pytest.raises(ApplyFailed) as failed:
        engine.apply(stack(lambda: File("file", path=str(path), content="mine")))
    assert isinstance(causes(failed)[0], ConflictError)
    assert path.read_text() == "theirs"
    path.unlink()
    path.symlink_to(work / "elsewhere")
    with pytest.raises(ApplyFailed) as failed:
        engine.apply(stack(lambda: File("file", path=str(path), content="mine")))
    assert isinstance(causes(failed)[0], ConflictError)
    assert path.is_symlink()


def test_a_missing_folder_is_named(engine, work, stack):
    """A file needs its folder; the error says how to declare one."""
    with pytest.raises(ApplyFailed) as failed:
        engine.apply(stack(lambda: File("file", path=str(work / "no" / "f"), content="x")))
    assert isinstance(causes(failed)[0], NotFoundError)
    assert "declare a local.Directory" in str(failed.value.exceptions[0])


def test_content_is_given_once(stack, work):
    """A file without content, or with two, is refused where it is declared."""
    for given in ({}, {"content": "a", "content_base64": "YQ=="}):
        with pytest.raises(InvalidPropertyError, match="expected one of content, .*; correct it in .*test_files.py"):
            stack(lambda given=given: File("file", path=str(work / "f"), **given))


def test_wrong_base64_is_refused_before_anything_is_written(engine, work, stack):
    """Nothing is left of a file whose content can't be decoded."""
    with pytest.raises(ApplyFailed) as failed:
        engine.apply(stack(lambda: File("file", path=str(work / "f"), content_base64="?")))
    assert isinstance(causes(failed)[0], InvalidRequestError)
    assert names(work) == []


def test_a_directory_keeps_what_is_in_it(engine, work, stack, actions):
    """A directory is changed in place, and deleted only when it is empty."""
    path = work / "deep" / "er"

    def declared(mode="0750", **options):
        return stack(lambda: Directory("folder", path=str(path), mode=mode, parents=True, opts=iac.Options(**options)))

    assert actions(engine.apply(declared())) == ["create folder"]
    assert mode(path) == "0750"
    assert not engine.plan(declared(), refresh=True)
    assert actions(engine.apply(declared("0700"))) == ["update folder"]
    path.chmod(0o777)
    assert actions(engine.apply(engine.plan(declared("0700"), refresh=True))) == ["update folder"]
    assert mode(path) == "0700"

    (path / "theirs").write_text("x")
    with pytest.raises(ApplyFailed) as failed:
        engine.destroy("local/test")
    assert "not empty (theirs)" in str(failed.value.exceptions[0])
    assert (path / "theirs").exists()
    engine.apply(declared("0700", on_delete={"recursive": True}))
    engine.destroy("local/test")
    assert names(work / "deep") == []


def test_delete_parameters_are_checked(stack, work):
    """A misspelt delete parameter is refused where it is declared."""
    with pytest.raises(InvalidPropertyError, match="on_delete"):
        stack(lambda: Directory("d", path=str(work / "d"), opts=iac.Options(on_delete={"recursively": True})))


def test_something_else_at_the_path_is_not_deleted(engine, work, stack):
    """What took the place of a file or folder by now is not ours to remove."""

    def build():
        File("file", path=str(work / "f"), content="x")
        Directory("folder", path=str(work / "d"))

    engine.apply(stack(build))
    (work / "f").unlink()
    (work / "f").mkdir()
    (work / "d").rmdir()
    (work / "d").symlink_to(work / "f")
    engine.destroy("local/test")
    assert (work / "f").is_dir()
    assert (work / "d").is_symlink()


def test_relative_paths_begin_at_the_root(tmp_path, work, stack, actions, monkeypatch):
    """A root is recorded, so that destroy finds it; another root is another place."""
    (work / "one").mkdir()
    (work / "two").mkdir()
    declared = stack(lambda: File("file", path="f", content="x"))
    state = f"sqlite:///{tmp_path}/s.db"
    with iac.Engine(state=state, providers=[Provider(root=work / "one")]) as engine:
        engine.apply(declared)
        assert not engine.plan(declared, refresh=True)
    assert (work / "one" / "f").exists()
    with iac.Engine(state=state, providers=[Provider(root=work / "two")]) as engine:
        assert actions(engine.apply(declared)) == ["create file", "delete file"]
    assert [len(names(work / name)) for name in ("one", "two")] == [0, 1]
    monkeypatch.chdir("/")
    with iac.Engine(state=state) as engine:
        engine.destroy("local/test")
    assert names(work / "two") == []


def test_a_relative_path_stays_where_it_was_made(engine, work, stack, actions, monkeypatch):
    """Without a root the working directory of the create counts, whatever it is later."""

    def build():
        Directory("folder", path="d")
        File("file", path="f", content="x")

    monkeypatch.chdir(work)
    engine.apply(stack(build))
    monkeypatch.chdir("/")
    assert not engine.plan(stack(build), refresh=True)
    assert names(work) == ["d", "f"]
    engine.destroy("local/test")
    assert names(work) == []


def test_a_killed_relative_file_is_found_from_elsewhere(work, ctx, monkeypatch):
    """Its absolute path is noted before it is made."""
    noted = []
    monkeypatch.chdir(work)
    step = ctx(checkpoint=lambda *what: noted.append(what))
    FileHandler().create(step, {"path": "f", "content": "x", "mode": "0600"})
    assert noted == [(str(work / "f"), None)]


def test_an_asset_is_copied_and_its_hash_compared(engine, work, stack, actions):
    """A large file goes through by its hash alone: change, drift and repair are told by it."""
    source = work / "source"
    source.write_bytes(b"\xff" * 6_000_000)

    def declared():
        return stack(lambda: File("file", path=str(work / "copy"), source=iac.Asset(source)))

    engine.apply(declared())
    assert (work / "copy").read_bytes() == source.read_bytes()
    assert engine.snapshot("local/test").records["file"].outputs["sha256"] == iac.Asset(source).hash
    assert not engine.plan(declared(), refresh=True)
    (work / "copy").write_text("theirs")
    assert actions(engine.apply(engine.plan(declared(), refresh=True))) == ["update file"]
    source.write_text("other")
    assert actions(engine.apply(declared())) == ["update file"]
    assert (work / "copy").read_text() == "other"
    engine.destroy("local/test")
    assert names(work) == ["source"]


def test_a_folder_is_no_source_of_a_file(engine, work, stack):
    """Its hash is not that of a file, so nothing could tell drift."""
    with pytest.raises(ApplyFailed) as failed:
        engine.apply(stack(lambda: File("file", path=str(work / "copy"), source=iac.Asset(work))))
    assert "declare a File for each" in str(failed.value.exceptions[0])
    assert names(work) == []
