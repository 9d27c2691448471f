"""Damages one piece of a stack's state where it is kept, in the ways in which that happens."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, ClassVar
from zlib import crc32

import psycopg

from iaclib.backends import object_layout as layout

if TYPE_CHECKING:
    from collections.abc import Callable

    from iaclib.model.addresses import StackRef

FLIP, CUT, GONE = "bit flip", "truncated", "missing"
WAYS = (FLIP, CUT, GONE)


def changed(data: bytes, way: str) -> bytes | None:
    """Give what is left of bytes."""
    if way == GONE:
        return None
    if way == CUT:
        return data[: len(data) // 2]
    place = len(data) * 2 // 3
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


class SqliteSurgery:
    """Works on the tables of a file."""

    #: Piece to table and condition; the stack is the only one there.
    PIECES: ClassVar = {
        "record": ("rows", "kind='record' AND name={a}"),
        "append": ("journal", "serial={serial}"),
        "old append": ("journal", "serial=1"),
        "run": ("runs", "number=(SELECT min(number) FROM runs)"),
        "holder": None,
    }

    def __init__(self, path) -> None:
        self.path = path

    def connect(self):
        return sqlite3.connect(self.path)

    def damage(self, ref: StackRef, piece: str, way: str, serial: int) -> None:
        db = self.connect()
        mark, a = ("?", "'a'") if isinstance(db, sqlite3.Connection) else ("%s", "'a'::bytea")
        try:
            if self.PIECES[piece] is None:
                db.execute("UPDATE stacks SET holder='{\"user\": 1'")
            else:
                table, condition = self.PIECES[piece]
                where = condition.format(a=a, serial=serial)
                (data,) = db.execute(f"SELECT data FROM {table} WHERE {where}").fetchone()
                left = changed(bytes(data), way)
                if left is None:
                    db.execute(f"DELETE FROM {table} WHERE {where}")
                else:
                    db.execute(f"UPDATE {table} SET data={mark} WHERE {where}", (left,))
            db.commit()
        finally:
            db.close()

    def copy(self, source: tuple[StackRef, int], target: tuple[StackRef, int]) -> None:
        """Put an append in the place of another, as it is."""
        db = self.connect()
        try:
            found = [
                db.execute(f"SELECT id FROM stacks WHERE name='{ref.name}'").fetchone()[0]
                for ref in (source[0], target[0])
            ]
            db.execute(
                f"UPDATE journal SET (data, crc) = (SELECT data, crc FROM journal AS other WHERE stack={found[0]} "
                f"AND serial={source[1]}) WHERE stack={found[1]} AND serial={target[1]}"
            )
            db.commit()
        finally:
            db.close()

    def make_newer(self, ref: StackRef) -> None:
        """Let it seem to be written by a later iaclib."""
        db = self.connect()
        try:
            db.execute("UPDATE format SET number=99")
            db.commit()
        finally:
            db.close()

    def all(self) -> object:
        """Give all that is there, to compare."""
        db = self.connect()
        try:
            tables = ("stacks", "journal", "rows", "base", "runs", "format")
            return [sorted(map(repr, db.execute(f"SELECT * FROM {table}").fetchall())) for table in tables]
        finally:
            db.close()


class PostgresSurgery(SqliteSurgery):
    """Works on the tables of a schema."""

    def __init__(self, url: str, schema: str) -> None:
        self.url, self.schema = url, schema

    def connect(self):
        db = psycopg.connect(self.url)
        db.execute(f"SET search_path = {self.schema}")
        return db


class ObjectSurgery:
    """Works on the objects of a store, through a client of its own.

    Args:
        client: Makes an ``ObjectStore``.
    """

    PIECES = ("head", "append", "old append", "index", "chunk", "run")

    def __init__(self, client: Callable) -> None:
        self.client = client

    def damage(self, ref: StackRef, piece: str, way: str, serial: int) -> None:
        store = self.client()
        name = self.find(store, ref, piece, serial)
        found = store.get(name)
        left = changed(found.data, way)
        if left is None:
            store.delete(name)
        else:
            store.put_if(name, found.version, left)

    def find(self, store, ref, piece, serial):
        if piece == "head":
            return layout.head_name(ref)
        names = [one.name for one in store.list(layout.folder(ref))]
        if piece in ("append", "old append"):
            slots = {name: store.get(name).data for name in names if layout.slot_of(name) is not None}
            wanted = serial if piece == "append" else 1
            return next(name for name, data in slots.items() if f'"serial":{wanted}}}'.encode() in data)
        index = layout.load_head(store.get(layout.head_name(ref)).data, ref, "").base.index
        if piece == "index":
            return index
        from iaclib.backends import object_base

        read = object_base.load_index(store.get(index).data, ref, "")
        return (read.state if piece == "chunk" else read.runs)[0].name

    def copy(self, source: tuple[StackRef, int], target: tuple[StackRef, int]) -> None:
        store = self.client()
        names = [
            self.find(store, ref, "append" if serial > 1 else "old append", serial) for ref, serial in (source, target)
        ]
        store.put_if(names[1], store.get(names[1]).version, store.get(names[0]).data)

    def make_newer(self, ref: StackRef) -> None:
        store = self.client()
        found = store.get(layout.head_name(ref))
        body = layout.unframe(found.data, "")
        store.put_if(layout.head_name(ref), found.version, b"iaclib 99 %08x\n%b" % (crc32(body, 99), body))

    def all(self) -> object:
        store = self.client()
        return {one.name: store.get(one.name).data for one in store.list("")}
