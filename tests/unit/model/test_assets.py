"""Assets: content counts, and nothing else of a file."""

from __future__ import annotations

import hashlib
import os
import pickle
import zipfile

import pytest

import iaclib as iac
from iaclib.errors import InvalidPropertyError, StalePlanError, UnknownValueError
from iaclib.model.outputs import lower
from iaclib.model.tokens import TokenTable
from iaclib.model.values import Secret
from iaclib.state.packing import dumps, loads


@pytest.fixture
def site(tmp_path):
    """A folder with files in two levels, one of them executable."""
    folder = tmp_path / "site"
    (folder / "sub" / "empty").mkdir(parents=True)
    (folder / "b.txt").write_text("b")
    (folder / "a.txt").write_text("a")
    (folder / "sub" / "run.sh").write_text("#!/bin/sh\n")
    (folder / "sub" / "run.sh").chmod(0o700)
    return folder


def content(asset):
    with asset.open() as opened:
        return opened.read()


def test_a_file_is_its_bytes(tmp_path):
    """Its hash is the SHA-256 of the bytes, and equal content is equal whatever it is called."""
    (tmp_path / "one").write_bytes(b"x" * 3_000_000)
    (tmp_path / "two").write_bytes(b"x" * 3_000_000)
    one, two = iac.Asset(tmp_path / "one"), iac.Asset(str(tmp_path / "two"))
    assert one.hash == hashlib.sha256(b"x" * 3_000_000).hexdigest()
    assert (one == two, hash(one) == hash(two), one.zipped) == (True, True, False)
    assert content(one) == b"x" * 3_000_000
    assert one.path == tmp_path / "one"


def test_a_relative_path_is_kept_as_of_then(tmp_path, monkeypatch):
    """Changing the working directory afterwards doesn't change what is meant."""
    (tmp_path / "one").write_text("1")
    monkeypatch.chdir(tmp_path)
    asset = iac.Asset("one")
    monkeypatch.chdir("/")
    assert content(asset) == b"1"


def test_a_folder_is_a_zip_file_that_is_the_same_everywhere(site, tmp_path):
    """Names are sorted; times, owners' rights and empty folders don't count."""
    asset = iac.Asset(site).measured()
    first = content(asset)
    with asset.open() as opened, zipfile.ZipFile(opened) as archive:
        assert archive.namelist() == ["a.txt", "b.txt", "sub/run.sh"]
        modes = {one.filename: one.external_attr >> 16 for one in archive.infolist()}
        assert (modes["a.txt"], modes["sub/run.sh"]) == (0o100644, 0o100755)
        assert archive.read("sub/run.sh") == b"#!/bin/sh\n"

    for path in site.rglob("*"):
        os.utime(path, (1, 1))
    (site / "a.txt").chmod(0o600)
    (site / "more").mkdir()
    moved = site.rename(tmp_path / "elsewhere")
    again = iac.Asset(moved).measured()
    assert (again, content(again)) == (asset, first)


def test_each_thing_that_counts_changes_the_hash(site):
    """Content, names and the executable bit do."""
    hashes = [iac.Asset(site).hash]
    (site / "a.txt").write_text("A")
    hashes.append(iac.Asset(site).hash)
    (site / "a.txt").rename(site / "c.txt")
    hashes.append(iac.Asset(site).hash)
    (site / "c.txt").chmod(0o755)
    hashes.append(iac.Asset(site).hash)
    assert len(set(hashes)) == 4


def test_a_zip_of_one_file_is_not_that_file(site):
    """With zip=True a file is packed, under its own name."""
    packed = iac.Asset(site / "a.txt", zip=True)
    with packed.open() as opened, zipfile.ZipFile(opened) as archive:
        assert archive.namelist() == ["a.txt"]
    assert (packed == iac.Asset(site / "a.txt"), packed.zipped) == (False, True)


def test_what_changed_since_it_was_hashed_is_not_opened(site):
    """`open` gives what was hashed, or nothing."""
    file, folder = iac.Asset(site / "a.txt").measured(), iac.Asset(site).measured()
    assert (file.changed, folder.changed) == (False, False)
    (site / "a.txt").write_text("other")
    assert (file.changed, folder.changed) == (True, True)
    for asset in (file, folder):
        with pytest.raises(StalePlanError, match="the content has changed since the plan was made"):
            asset.open()
    (site / "a.txt").unlink()
    assert file.changed


def test_state_holds_the_hash_alone(site):
    """What comes back from state equals what went in, and can't be opened."""
    asset = iac.Asset(site / "a.txt").measured()
    data = dumps({"content": [asset], "$iac:asset": 1}, "x")
    assert str(site) not in data.decode()
    found = loads(data, "x")
    assert found == {"content": [asset], "$iac:asset": 1}
    with pytest.raises(UnknownValueError, match="its content is not kept"):
        found["content"][0].open()
    with pytest.raises(UnknownValueError):
        _ = found["content"][0].path


def test_an_asset_survives_processes(site):
    """It is a plain value."""
    asset = iac.Asset(site / "a.txt").measured()
    assert content(pickle.loads(pickle.dumps(asset))) == b"a"


def test_links_are_refused(site):
    """What they point to may be outside, or a secret."""
    (site / "link").symlink_to("/etc/hostname")
    with pytest.raises(InvalidPropertyError, match="link: a symbolic link, expected files and folders"):
        _ = iac.Asset(site).hash
    (site / "link").unlink()
    (site / "link").symlink_to(site / "sub")
    with pytest.raises(InvalidPropertyError, match="a symbolic link"):
        _ = iac.Asset(site).hash


def test_odd_things_in_a_folder_are_refused(site):
    """Pipes can't be read, and names that no zip file holds can't be packed."""
    os.mkfifo(site / "pipe")
    with pytest.raises(InvalidPropertyError, match="pipe: neither a file nor a folder"):
        _ = iac.Asset(site).hash
    with pytest.raises(InvalidPropertyError, match="neither a file nor a folder"):
        _ = iac.Asset(site / "pipe").hash
    (site / "pipe").unlink()
    (site / "a\nb").write_text("x")
    with pytest.raises(InvalidPropertyError, match="holds 'a\\\\nb', expected printable names"):
        _ = iac.Asset(site).hash


@pytest.mark.parametrize("path", ["", b"bytes"])
def test_a_path_is_text(path):
    """Anything else is refused at once."""
    with pytest.raises(InvalidPropertyError, match="expected the path of a file or folder"):
        iac.Asset(path)


def test_what_is_not_there_is_named_with_the_field():
    """The hash is taken where the asset enters a field."""
    with pytest.raises(InvalidPropertyError, match=r"a: content: /no/where: it can't be read \(No such file"):
        lower(iac.Asset("/no/where"), "a: content")


def test_an_asset_is_no_text_and_no_secret(site):
    """Both would be mistakes that show late."""
    asset = iac.Asset(site / "a.txt")
    with pytest.raises(TypeError, match=r"an Asset in text, expected it to be passed by itself; use its .path or"):
        f"{asset}"
    for wrong in (lambda: iac.secret(asset), lambda: lower(Secret({"a": asset}), "x", TokenTable(("a", "b")))):
        with pytest.raises(InvalidPropertyError, match="an Asset can't be secret"):
            wrong()
