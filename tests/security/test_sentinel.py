"""A secret in every position, through a whole life: no byte that is written or printed shows it."""

from __future__ import annotations

import io
import logging
import traceback
import warnings

import pytest
from msgspec import structs

from iaclib import declare as iac
from iaclib.engine.engine import Engine
from iaclib.errors import ApplyFailed, IaclibError, InvalidRequestError, PartialFailure
from iaclib.model.values import Secret
from iaclib.plan.plan import Plan
from iaclib.plan.policy import policy
from iaclib.provider.base import Identity, Provider
from iaclib.provider.handler import Live
from sentinels import encodings, files, leaks, sentinel

PLACES = (
    "field", "nested", "listed", "key", "text", "secret-field", "write-only", "provider", "delete", "trigger",
    "output", "export", "looked-up", "session", "second", "url", "declared",
)  # fmt: skip
SECRETS = {place: sentinel(place) for place in PLACES}
REF = "vaults/dev"


class World:
    """What exists, and what goes wrong next."""

    objects: dict[str, dict] = {}  # noqa: RUF012 - one cloud for the test's one program
    failing: set[str] = set()  # noqa: RUF012
    count = 0


class Killed(BaseException):
    """Ends a handler as a kill would."""


class Account(Provider):
    """Access that needs a secret to be configured."""

    name = "vaults"

    def __init__(self, token="", endpoint=""):
        self.token, self.endpoint = token, endpoint

    def identity(self):
        return Identity("account", "region")

    def config(self):
        return {"token": Secret(self.token), "endpoint": self.endpoint}


def every_form(values):
    """Write what a careless handler might into a message."""
    told = []
    todo = list(values.values())
    while todo:
        value = todo.pop()
        if isinstance(value, dict):
            todo += [*value, *value.values()]
        elif isinstance(value, list):
            todo += value
        elif isinstance(value, str):
            told += [
                form.decode("utf-8", "replace")
                for name, form in encodings(value).items()
                if name[:3] not in ("lat", "utf")
            ]
    return " | ".join(told) + f" {values!r}"


class VaultHandler:
    """Says all that it knows, wherever it can."""

    def _told(self, ctx, what, values):
        ctx.log(f"{what} {every_form(values)}")
        ctx.checkpoint(data={"sent": values})
        mode = f"{what} {ctx.address}"
        if mode in World.failing:
            World.failing.discard(mode)
            inner = ValueError(every_form(values), every_form({"t": ctx.provider.token}))
            inner.add_note(every_form(values))
            try:
                raise inner
            except ValueError as cause:
                if what == "create":
                    raise InvalidRequestError(every_form(values)) from cause
                raise RuntimeError(every_form(values)) from cause
        if f"kill {mode}" in World.failing:
            World.failing.discard(f"kill {mode}")
            raise Killed(every_form(values))
        if f"part {mode}" in World.failing:
            World.failing.discard(f"part {mode}")
            raise PartialFailure(self._live(self._put(ctx, values)), RuntimeError(every_form(values)))

    def _put(self, ctx, inputs):
        World.count += 1
        World.objects[f"v-{World.count}"] = {"inputs": dict(inputs), "token": ctx.token}
        return f"v-{World.count}"

    def create(self, ctx, inputs):
        self._told(ctx, "create", inputs)
        return self._live(self._put(ctx, inputs))

    def find(self, ctx, inputs):
        return next((self._live(id) for id, one in World.objects.items() if one["token"] == ctx.token), None)

    def read(self, ctx, id):
        self._told(ctx, "read", World.objects[id]["inputs"] if id in World.objects else {})
        return self._live(id) if id in World.objects else None

    def update(self, ctx, id, before, after):
        self._told(ctx, "update", dict(after))
        World.objects[id]["inputs"] = dict(after)
        return self._live(id)

    def delete(self, ctx, id):
        self._told(ctx, "delete", dict(ctx.on_delete))
        World.objects.pop(id, None)

    def lookup(self, ctx, query):
        return {"answer": SECRETS["looked-up"]}

    def _live(self, id):
        inputs = World.objects[id]["inputs"]
        computed = {"issued": SECRETS["output"], "told": SECRETS["output"], "copy": f"copy of {inputs.get('password')}"}
        return Live(id, computed, {name: value for name, value in inputs.items() if name != "pin"})


class Vault(iac.Resource, type="vaults:Vault", handler=VaultHandler):
    """Something with a place for each kind of secret."""

    password: iac.Input[str] = iac.field(default=None, secret=True)
    pin: iac.Input[str] = iac.field(default=None, secret=True, write_only=True)
    plain: iac.Input[str] = iac.field(default=None)
    data: iac.Input[dict] = iac.field(default=None)
    parts: iac.Input[list] = iac.field(default=None)
    hard: iac.Input[str] = iac.field(default=None, replaces=True)
    size: iac.Input[int] = iac.field(default=None)
    issued: iac.Output[str] = iac.computed(secret=True)
    told: iac.Output[str] = iac.computed()
    copy: iac.Output[str] = iac.computed()


class Answer(iac.Lookup, type="vaults:Answer", handler=VaultHandler):
    """Looks a secret up."""

    name: iac.Input[str] = iac.field()
    answer: iac.Output[str] = iac.computed(secret=True)


@policy(level="advisory")
def telling(change):
    """Repeat all that the change shows."""
    values = {**(change.before or {}), **(change.after or {})}
    return every_form({name: value.reveal() if isinstance(value, Secret) else value for name, value in values.items()})


class Vaults(iac.Stack, project="vaults"):
    """A secret in every position."""

    declared: str = iac.field(secret=True)
    changed: bool = False

    def build(self):
        changed = self.changed
        second = SECRETS["second"] if changed else SECRETS["field"]
        seen: list = []

        def hook(event):
            seen.append(repr(event))
            if changed:
                raise ValueError(
                    every_form({name: getattr(v, "reveal", lambda v=v: v)() for name, v in (event.after or {}).items()})
                )

        one = Vault(
            "one",
            password=second,
            pin=SECRETS["write-only"],
            plain=f"in text: {iac.secret(SECRETS['text'])}",
            data={"deep": {"er": iac.secret(SECRETS["nested"])}, f"k {iac.secret(SECRETS['key'])}": "v"},
            parts=["a", iac.secret(SECRETS["listed"])],
            size=2 if changed else 1,
            opts=iac.Options(
                secret_outputs=["told"],
                on_delete={"final": Secret(SECRETS["delete"])},
                replacement_trigger=iac.secret(SECRETS["trigger"]),
            ),
        )
        Vault("two", password=SECRETS["secret-field"], plain=one.issued, hard="b" if changed else "a")
        Vault("three", plain=self.declared, data={"url": iac.secret(f"https://u:{SECRETS['url']}@host/")})
        found = Answer("found", name="x")
        Vault("four", plain=found.answer)
        Vault(
            "hooked",
            password=SECRETS["field"],
            size=2 if changed else 1,
            opts=iac.Options(hooks=(iac.Hooks(before_update=hook),)),
        )
        self.export(told=one.told, export=iac.secret(SECRETS["export"]), copied=one.copy)


class Told:
    """All that was printed, logged, raised or given back."""

    def __init__(self):
        self.texts: dict[str, str] = {}

    def tell(self, name, *things):
        for thing in things:
            self.texts[f"{len(self.texts)} {name}"] = f"{thing!r}\n{thing}"

    def error(self, error):
        """Note an error with all that hangs on it."""
        self.tell("traceback", "".join(traceback.format_exception(error)))
        todo, seen = [error], set()
        while todo:
            one = todo.pop()
            if one is None or id(one) in seen:
                continue
            seen.add(id(one))
            self.tell(type(one).__name__, one.args, getattr(one, "__notes__", ()), getattr(one, "facts", {}), one)
            todo += [one.__cause__, one.__context__, getattr(one, "cause", None), *getattr(one, "exceptions", ())]
            if (run := getattr(one, "run", None)) is not None:
                self.run(run)

    def run(self, run):
        self.tell("run", run, *run.steps, *run.errors)

    def plan(self, plan):
        self.tell(
            "plan",
            plan,
            *plan.changes,
            *(one for change in plan.changes for one in change.properties),
            *plan.violations,
        )


def live_through(told, engine, folder):
    """Plan, save, create, fail, update, replace, crash, recover, drift, import, adopt and destroy."""

    def attempt(action):
        try:
            result = action()
        except (IaclibError, ApplyFailed, Killed) as error:
            if not isinstance(error, Killed):  # which is the test's own
                told.error(error)
            return None
        if hasattr(result, "steps"):
            told.run(result)
        return result

    before, after = (
        Vaults("dev", declared=SECRETS["declared"]),
        Vaults("dev", declared=SECRETS["declared"], changed=True),
    )
    told.tell("stack", before)
    plan = engine.plan(before)
    told.plan(plan)
    plan.save(folder / "first.plan")
    told.tell("loaded", Plan.load(folder / "first.plan"))
    World.failing |= {"create one", "part create two", "kill create three"}
    attempt(lambda: engine.apply(Plan.load(folder / "first.plan"), program=before))
    attempt(lambda: engine.apply(before))
    attempt(lambda: engine.recover(REF))
    for _ in range(4):  # what was to fail fails once each
        attempt(lambda: engine.apply(before))
    assert not engine.plan(before)
    told.tell("snapshot", engine.snapshot(REF))
    plan = engine.plan(after)
    told.plan(plan)
    plan.save(folder / "second.plan")
    World.failing |= {"update one", "create two", "kill update one"}
    attempt(lambda: engine.apply(after))
    attempt(lambda: engine.apply(after))
    attempt(lambda: engine.apply(after, continue_on_error=True))
    for held in World.objects.values():
        held["inputs"] = {**held["inputs"], "password": SECRETS["second"], "size": 9}
    drift = attempt(lambda: engine.drift(REF))
    if drift is not None:
        told.tell("drift", drift, *drift.changes)
    World.failing |= {"read one"}
    attempt(lambda: engine.refresh(REF))
    attempt(lambda: engine.refresh(REF))
    World.objects["theirs"] = {"inputs": {"password": SECRETS["secret-field"]}, "token": ""}
    with iac.Stack("imports", project="vaults") as imports:
        Vault("theirs", password=SECRETS["secret-field"])
    attempt(lambda: engine.import_(imports, {"theirs": "theirs"}))
    with engine.session("vaults/session") as session:
        made = session.ensure(Vault("made", password=SECRETS["session"]))
        told.tell("session", session, made, made.issued)
        assert session.value(f"{made.issued}") == SECRETS["output"]
    engine.rotate(REF)
    told.tell("history", *engine.history(REF))
    told.tell("snapshot", engine.snapshot(REF))
    World.failing |= {"delete one"}
    for ref in (REF, "vaults/imports", "vaults/session"):
        attempt(lambda ref=ref: engine.destroy(ref))
        attempt(lambda ref=ref: engine.destroy(ref))
    assert not engine.snapshot("vaults/imports").records


@pytest.mark.parametrize(
    ("encrypt", "parallelism"),
    [
        pytest.param(None, 0, id="secrets"),
        pytest.param("all", 0, id="all"),
        pytest.param(None, 8, id="secrets side by side", marks=pytest.mark.stress),
        pytest.param("all", 8, id="all side by side", marks=pytest.mark.stress),
    ],
)
def test_no_byte_shows_a_secret(tmp_path, record_property, capfd, monkeypatch, encrypt, parallelism):
    """State, saved plans, output, logs, warnings, events, errors and whatever is given back: 0 places."""
    World.objects, World.failing, World.count = {}, set(), 0
    monkeypatch.chdir(tmp_path)
    told, log = Told(), io.StringIO()
    handler = logging.StreamHandler(log)
    logging.getLogger().addHandler(handler)
    events: list = []
    engine = Engine(
        state=f"sqlite:///{tmp_path}/state.db",
        encrypt=encrypt,
        parallelism=parallelism,
        policies=[telling],
        providers=[Account(SECRETS["provider"], f"https://u:{SECRETS['url']}@host/")],
        on_event=events.append,
    )
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            live_through(told, engine, tmp_path)
        written = files(tmp_path)  # with what SQLite has not folded into the file yet
    finally:
        engine.close()
        logging.getLogger().removeHandler(handler)
    told.tell("events", *events, *map(structs.asdict, events))
    told.tell("warnings", *warned)
    told.tell("output", *capfd.readouterr(), log.getvalue())
    everything = {**written, **files(tmp_path), **{name: text.encode() for name, text in told.texts.items()}}
    found = [f"{name}: {leak}" for name, data in everything.items() for leak in leaks(data, SECRETS)]
    size = sum(map(len, everything.values()))
    forms = len(encodings("x"))
    record_property(
        "tells",
        f"{len(SECRETS)} secrets in {forms} forms sought in {len(everything)} texts and files ({size:,} bytes): "
        f"{len(found)} found",
    )
    assert len(events) > 20
    assert not found, "\n".join(found[:40])


def test_the_search_finds_what_it_looks_for():
    """The search itself is no blind one: each form is found where it stands."""
    for name, form in encodings(SECRETS["field"]).items():
        assert leaks(b"x " + form + b" x", {"field": SECRETS["field"]}), name
