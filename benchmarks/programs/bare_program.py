"""The measured work as a bare loop, without any engine: WORK SHAPE SIZE FOLDER.

It declares, loads and compares the same data, and writes what differs in one
transaction: plain classes, json and sqlite. What an engine adds is missing:
checks, a plan, an order, intents, leases, history. No tool can be faster and
still do the work in Python.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Thing:
    def __init__(self, name: str, **inputs: Any) -> None:
        self.name = name
        self.inputs = inputs
        self.arn = f"arn:{name}"


def flat(size: int) -> list[Thing]:
    return [Thing(f"t{i}", size=i, label=f"label-{i}", tags={"n": str(i)}) for i in range(size)]


def layered(size: int) -> list[Thing]:
    width = size // 20
    above = made = [Thing(f"t0x{i}", size=i, label=f"label-{i}") for i in range(width)]
    for layer in range(1, 20):
        above = [
            Thing(f"t{layer}x{i}", size=i, label=above[i].arn, tags={"b": above[(7 * i + 3) % width].arn})
            for i in range(width)
        ]
        made = [*made, *above]
    return made


def chain(size: int) -> list[Thing]:
    made: list[Thing] = []
    for i in range(size):
        made.append(Thing(f"t{i}", size=i, label=made[-1].arn if made else "first"))
    return made


def secrets(size: int) -> list[Thing]:
    return [Thing(f"t{i}", size=i, label=f"secret-{i}") for i in range(size)]


SHAPES: dict[str, Callable[[int], list[Thing]]] = {
    "flat": flat,
    "layered": layered,
    "chain": chain,
    "secrets": secrets,
}


class Plain:
    """Keeps values as JSON."""

    def write(self, inputs: dict[str, Any]) -> Any:
        return json.dumps(inputs)

    def read(self, kept: Any) -> Any:
        return json.loads(kept)


class Sealed(Plain):
    """Keeps values as JSON encrypted with a key beside the state."""

    def __init__(self, file: Path) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if not file.exists():
            file.write_bytes(AESGCM.generate_key(256))
        self.cipher = AESGCM(file.read_bytes())

    def write(self, inputs: dict[str, Any]) -> Any:
        nonce = os.urandom(12)
        return nonce + self.cipher.encrypt(nonce, super().write(inputs).encode(), None)

    def read(self, kept: Any) -> Any:
        return super().read(self.cipher.decrypt(kept[:12], kept[12:], None))


def main() -> None:
    began = time.perf_counter()
    work, shape, count, folder = sys.argv[1:]
    size = int(count)
    form = Sealed(Path(folder, "key")) if shape == "secrets" else Plain()
    database = sqlite3.connect(":memory:" if work == "unit" else f"{folder}/state.db")
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE IF NOT EXISTS things (name TEXT PRIMARY KEY, inputs, arn TEXT)")
    recorded = {name: form.read(inputs) for name, inputs in database.execute("SELECT name, inputs FROM things")}
    declared = [] if work == "destroy" else SHAPES[shape](size)
    changed = [thing for thing in declared if recorded.get(thing.name) != thing.inputs]
    gone = recorded.keys() - {thing.name for thing in declared}
    assert len(changed) == (size if work in {"create", "unit"} else 0)
    assert len(gone) == (size if work == "destroy" else 0)
    database.executemany(
        "INSERT INTO things VALUES (?, ?, ?)",
        [(thing.name, form.write(thing.inputs), thing.arn) for thing in changed],
    )
    database.executemany("DELETE FROM things WHERE name = ?", [(name,) for name in gone])
    database.commit()
    database.close()
    Path(folder, "seconds").write_text(str(time.perf_counter() - began))


main()
