"""Damages one piece of a stack's state where it is kept, in the ways in which that happens."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, ClassVar

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
