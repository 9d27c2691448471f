"""What the SQLite backend does beyond the contract: files, modes, damage, other processes, kills."""

import os
import re
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from msgspec import structs

from iaclib.backends import Sqlite
from iaclib.errors import LeaseHeldError, StateCorruptError, StateError, StateVersionError
from iaclib.model.values import Secret
from iaclib.state.journal import Began, Exported, Keyed, Noted
from iaclib.state.record import Intent, Snapshot
from iaclib.state.seal import Sealer, new_data_key
from iaclib.state.veil import open_snapshot, seal_entry
from state_samples import LINEAGE, REF, TTL, Clock, holder, put, write

posix = pytest.mark.skipif(os.name == "nt", reason="modes of files are POSIX's")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "s.db"


@pytest.fixture
def backend(path):
    made = Sqlite(path, clock=Clock())
    yield made
    made.close()


def _sql(path, statement, *values):
    with sqlite3.connect(path) as db:
        found = db.execute(statement, values).fetchall()
    db.close()
    return found


def test_reading_makes_nothing(backend, tmp_path):
    """Looking at state that isn't there leaves no file behind."""
    backend.load(REF), backend.stacks(), backend.history(REF), backend.default_keyring()
    assert list(tmp_path.iterdir()) == []


def test_state_outlives_the_backend(path):
    """What one backend wrote another reads, from the same file."""
    first = Sqlite(path)
    write(first, "a", "b")
    wanted = first.load(REF)
    first.close()
    second = Sqlite(path)
    assert second.load(REF) == wanted
    second.close()


def test_urls_are_relative_with_three_slashes_and_absolute_with_four(tmp_path, monkeypatch):
    """The path after three slashes is taken from the working folder of that moment."""
    monkeypatch.chdir(tmp_path)
    backend = Sqlite.from_url("sqlite:///state/infra.db")
    monkeypatch.chdir("/")
    assert backend.path == tmp_path / "state" / "infra.db"
    assert Sqlite.from_url(f"sqlite:///{tmp_path}/x.db").path == tmp_path / "x.db"


@posix
def test_files_are_for_their_owner_alone(tmp_path):
    """Database, -wal, -shm and key file have mode 0600 and a new folder 0700, whatever the umask."""
    before = os.umask(0)
    try:
        backend = Sqlite(tmp_path / "new" / "s.db")
        write(backend, "a")
        backend.default_keyring().wrap(bytes(32), LINEAGE)
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "new").iterdir()}
        backend.close()
    finally:
        os.umask(before)
    assert modes == {"s.db": 0o600, "s.db-wal": 0o600, "s.db-shm": 0o600, "s.db.key": 0o600}
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


def test_missing_folder_is_named(tmp_path):
    """A path with more than its last folder missing is an error, and nothing is made."""
    backend = Sqlite(tmp_path / "no" / "such" / "s.db")
    assert backend.load(REF) == Snapshot()
    with pytest.raises(StateError, match=f"{re.escape(str(tmp_path / 'no'))}.*make it"):
        backend.acquire(REF, holder(), TTL)
    assert list(tmp_path.iterdir()) == []


def test_path_below_a_file_is_named(tmp_path):
    """A path that leads through a file is an error that says that it can't be made."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="can't be made"):
        Sqlite(tmp_path / "file" / "s.db").acquire(REF, holder(), TTL)


@posix
def test_read_only_folder_is_named():
    """A folder that can't be written to is an error that says so."""
    folder = Path(tempfile.mkdtemp())
    backend = Sqlite(folder / "s.db")
    root = os.geteuid() == 0  # root may write everywhere, so it steps down
    try:
        folder.chmod(0o555)
        if root:
            os.seteuid(65534)
        with pytest.raises(StateError, match="permissions"):
            backend.acquire(REF, holder(), TTL)
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o700)
        shutil.rmtree(folder)


def test_folder_in_the_files_place_is_named(tmp_path):
    """A folder where the file should be is an error that names it."""
    with pytest.raises(StateError, match=re.escape(str(tmp_path))):
        Sqlite(tmp_path).load(REF)


def _damage(path, kind):
    size = path.stat().st_size
    match kind:
        case "other file":
            path.write_bytes(b"This is no database at all, but a letter to somebody.")
        case "short file":
            path.write_bytes(b"hi")
        case "truncated":
            os.truncate(path, size - 4096)
        case "truncated within a page":
            os.truncate(path, size // 2 + 100)
        case "header alone":
            os.truncate(path, 100)
        case "zeroed pages":
            data = bytearray(path.read_bytes())
            data[4096:] = bytes(size - 4096)
            path.write_bytes(data)
        case "flipped bit":
            data = path.read_bytes()
            assert b"id-of-a" in data
            path.write_bytes(data.replace(b"id-of-a", b"id-of-b"))
        case "another program's":
            path.unlink()
            _sql(path, "CREATE TABLE songs (name TEXT)")


@pytest.mark.parametrize(
    "kind",
    [
        "other file",
        "short file",
        "truncated",
        "truncated within a page",
        "header alone",
        "zeroed pages",
        "flipped bit",
        "another program's",
    ],
)
def test_damaged_file_is_refused_and_left_alone(path, kind):
    """A file that isn't whole is an error naming it, and not one byte of it changes."""
    backend = Sqlite(path)
    write(backend, *(f"a{n}" for n in range(200)))
    backend.close()
    _damage(path, kind)
    damaged = path.read_bytes()
    with pytest.raises(StateCorruptError, match=re.escape(str(path))):
        backend.load(REF)
    backend.close()
    assert path.read_bytes() == damaged


def test_newer_format_is_refused_and_left_alone(path, backend):
    """A file of a newer format asks for the newer iaclib, for reading and for writing."""
    write(backend, "a")
    backend.close()
    _sql(path, "UPDATE format SET number = 99")
    newer = path.read_bytes()
    with pytest.raises(StateVersionError, match=f"{re.escape(str(path))}.*99.*newer iaclib"):
        backend.load(REF)
    with pytest.raises(StateVersionError):
        backend.acquire(REF, holder(), TTL)
    assert path.read_bytes() == newer


def test_missing_journal_row_is_found(path, backend):
    """A hole in the journal that isn't folded yet is damage, not older state."""
    lease = backend.acquire(REF, holder(), TTL)
    for serial in range(3):
        backend.append(lease, put(f"a{serial}"), lineage=LINEAGE, serial=serial)
    _sql(path, "DELETE FROM journal WHERE serial = 2")
    with pytest.raises(StateCorruptError, match=r"shop/prod.*journal is not whole"):
        backend.load(REF)
    backend.release(lease)  # folding is put off, giving back is not
    assert backend.acquire(REF, holder(), TTL).fence == 2


def test_empty_file_counts_as_no_state(path, backend):
    """The empty file that a kill in the first moment leaves is state that was never written."""
    path.touch()
    assert backend.load(REF) == Snapshot()
    assert path.stat().st_size == 0
    write(backend, "a")
    assert list(backend.load(REF).records) == ["a"]


def test_file_put_in_place_is_seen(path, backend, tmp_path):
    """A backup moved over the file is what the next read gives; nothing goes to the file that was."""
    write(backend, "a")
    backend.close()
    backup = path.read_bytes()
    write(backend, "b", serial=1)
    (tmp_path / "backup.db").write_bytes(backup)
    for name in ("s.db-wal", "s.db-shm"):
        (tmp_path / name).unlink()
    (tmp_path / "backup.db").replace(path)
    assert list(backend.load(REF).records) == ["a"]


def test_an_append_is_one_row_whatever_the_size_of_the_stack(path, backend):
    """One change of a large stack writes one journal row, and a fold one row."""
    write(backend, *(f"a{n}" for n in range(500)))
    lease = backend.acquire(REF, holder(), TTL)
    watched = backend._file._db
    before = watched.total_changes
    backend.append(lease, put("a7", outputs={"new": 1}), lineage=LINEAGE, serial=1)
    assert watched.total_changes - before == 2  # the head, and the journal row
    backend.release(lease)
    assert watched.total_changes - before == 5  # the lease, the row, the head


def test_journal_is_kept_after_a_fold(path, backend):
    """Folded appends stay, as history."""
    write(backend, "a")
    write(backend, "b", serial=1)
    assert _sql(path, "SELECT serial FROM journal ORDER BY serial") == [(1,), (2,)]
    assert _sql(path, "SELECT serial, folded FROM stacks") == [(2, 2)]


def test_long_runs_fold_on_the_way(path):
    """No more rows than agreed wait to be replayed."""
    backend = Sqlite(path, fold_after=10)
    lease = backend.acquire(REF, holder(), TTL)
    for serial in range(25):
        backend.append(lease, put(f"a{serial:02}"), lineage=LINEAGE, serial=serial)
    assert _sql(path, "SELECT folded FROM stacks") == [(20,)]
    assert len(backend.load(REF).records) == 25
    backend.close()


def test_secrets_are_nowhere_on_disk(tmp_path, path):
    """A sealed secret in every position leaves no trace of itself in any file, and opens again."""
    sentinel = "S3NTINEL-of-the-tests"
    backend = Sqlite(path)
    keyring, key = backend.default_keyring(), new_data_key()
    sealer, secret = Sealer(LINEAGE, key), {"deep": [{"x": Secret(sentinel)}]}
    (entry,) = put("net/db", inputs=secret, baseline=secret, observed=secret, outputs=secret)
    intent = Intent("s1", "update", "t", entry.put, before=entry.put, data=secret)
    entries = [
        Keyed(keyring.wrap(key, LINEAGE)),
        entry,
        Exported(secret),
        Began(intent),
        Began(structs.replace(intent, step="s2", data=None)),
        Noted("s2", data=secret),
    ]
    lease = backend.acquire(REF, holder(), TTL)
    backend.append(lease, [seal_entry(each, sealer) for each in entries], lineage=LINEAGE, serial=0)

    def search():
        for file in tmp_path.iterdir():
            for form in (sentinel.encode(), sentinel.encode("utf-16-le"), sentinel.encode().hex().encode(), key):
                assert form not in file.read_bytes(), file

    search()
    backend.release(lease)
    search()
    backend.close()
    search()
    snapshot = backend.load(REF)
    opened = open_snapshot(snapshot, Sealer(LINEAGE, backend.default_keyring().unwrap(snapshot.key, LINEAGE)))
    assert opened.records["net/db"] == entry.put
    assert opened.outputs == secret
    assert opened.intents["s2"].data == secret
    backend.close()


_CHILD = """
import os, signal, sys
sys.path[:0] = sys.argv[1].split(os.pathsep)
from state_samples import *
from iaclib.backends import Sqlite
backend = Sqlite(sys.argv[2], fold_after=int(sys.argv[4]))
"""


def _child(path, body, *, fold_after=1000, **options):
    import iaclib
    import state_samples

    roots = os.pathsep.join([str(Path(state_samples.__file__).parent), str(Path(iaclib.__file__).parents[1])])
    return subprocess.Popen([sys.executable, "-c", _CHILD + body, roots, str(path), "", str(fold_after)], **options)


_KILLED = """
lease = backend.acquire(REF, holder(), TTL)
serial = 0
for n in range(5):
    serial = backend.append(lease, put(f"a{n}"), lineage=LINEAGE, serial=serial)
%s
os.kill(os.getpid(), signal.SIGKILL)
"""

_IN_THE_MIDDLE_OF_A_FOLD = """
db = backend._file._db
class Dying:
    def __getattr__(self, name): return getattr(db, name)
    def executemany(self, statement, values):
        db.executemany(statement, values)
        if statement.startswith("INSERT"):
            os.kill(os.getpid(), signal.SIGKILL)
backend._file._db = Dying()
backend.release(lease)
"""


@posix
@pytest.mark.parametrize(
    "body", ["", _IN_THE_MIDDLE_OF_A_FOLD, "backend.release(lease)"], ids=["before fold", "within fold", "after fold"]
)
def test_kill_loses_nothing_that_was_appended(path, body):
    """SIGKILL before, within or after a fold keeps every append, and the next run gets the lease at once."""
    child = _child(path, _KILLED % body)
    assert child.wait(60) == -signal.SIGKILL
    backend = Sqlite(path)
    snapshot = backend.load(REF)
    assert (snapshot.serial, list(snapshot.records)) == (5, ["a0", "a1", "a2", "a3", "a4"])
    write(backend, "b", serial=5)
    assert list(backend.load(REF).records) == ["a0", "a1", "a2", "a3", "a4", "b"]
    backend.close()


_RACING = """
from iaclib.errors import LeaseHeldError
sys.stdin.readline()
won = []
for _ in range(20):
    try:
        lease = backend.acquire(REF, holder(), TTL)
    except LeaseHeldError:
        continue
    snapshot = backend.load(REF)
    backend.append(lease, put(f"fence-{lease.fence:04}"), lineage=LINEAGE, serial=snapshot.serial)
    won.append(lease.fence)
    backend.release(lease)
print(*won)
"""


def test_processes_that_race_have_one_winner_a_fence(path):
    """Processes that start on no file at all, and race for leases, never share a fence or lose a write."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    children = [_child(path, _RACING, **pipes) for _ in range(4)]
    for child in children:
        child.stdin.write("go\n")
        child.stdin.flush()
    fences = [int(fence) for child in children for fence in child.communicate(timeout=100)[0].split()]
    assert all(child.returncode == 0 for child in children)
    assert sorted(fences) == list(range(1, len(fences) + 1))
    backend = Sqlite(path)
    snapshot = backend.load(REF)
    assert snapshot.serial == len(fences)
    assert list(snapshot.records) == [f"fence-{fence:04}" for fence in sorted(fences)]
    backend.close()


def test_backends_of_one_file_race_from_no_file(path):
    """Threads with a backend each, all making the file at once, end with one file and one lease."""
    backends = [Sqlite(path) for _ in range(16)]
    barrier, results = threading.Barrier(16), []

    def acquire(backend):
        barrier.wait()
        try:
            results.append(backend.acquire(REF, holder(), TTL).fence)
        except LeaseHeldError:
            results.append(0)
        except Exception as error:  # noqa: BLE001 - whatever it is, the test shows it
            results.append(error)

    threads = [threading.Thread(target=acquire, args=(backend,)) for backend in backends]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for backend in backends:
        backend.close()
    assert sorted(results, key=str) == [0] * 15 + [1]


def test_locked_file_is_said_to_be_locked(path):
    """Waiting for another process has an end, and the error says what keeps the file."""
    backend = Sqlite(path, busy_timeout=0.05)
    write(backend, "a")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StateError, match="locked"):
        backend.acquire(REF, holder(), TTL)
    assert list(backend.load(REF).records) == ["a"]  # readers don't wait
    other.close()
    backend.close()


def rows_of(path, statement, *values):
    """Run a statement on the file, as somebody would by hand."""
    db = sqlite3.connect(path)
    with db:
        found = db.execute(statement, values).fetchall()
    db.close()
    return found


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE journal SET (data, crc)=(SELECT data, crc FROM journal WHERE serial=1) WHERE serial=2",
        "UPDATE stacks SET lineage='fedcba9876543210'",
        "UPDATE journal SET data=substr(data, 1, length(data) - 4)",
        "UPDATE journal SET data=x'5b322c5b5d5d'",
        "DELETE FROM journal WHERE serial=2",
        "UPDATE stacks SET serial=serial+1",
    ],
    ids=["replayed", "foreign lineage", "torn", "other entries", "missing", "lost end"],
)
def test_journal_that_is_not_this_states_is_refused_and_left_alone(path, backend, statement):
    """Entries of another serial or state, cut ones, and gaps are found before they count; the error says what to do."""
    lease = backend.acquire(REF, holder(process_start="1"), TTL)
    for serial, name in enumerate("abc"):
        backend.append(lease, put(name), lineage=LINEAGE, serial=serial)
    backend.close()
    rows_of(path, statement)
    before = rows_of(path, "SELECT * FROM journal"), rows_of(path, "SELECT * FROM stacks")
    with pytest.raises(StateCorruptError, match=r"shop/prod.*repair.*backup"):
        backend.load(REF)
    assert (rows_of(path, "SELECT * FROM journal"), rows_of(path, "SELECT * FROM stacks")) == before
