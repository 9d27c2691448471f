"""Assets from the declaration to the handler: a hash in plan and state, the content in the call."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

import iaclib as iac
from iaclib.errors import InvalidPropertyError, StalePlanError


class PageHandler:
    """Keeps what it was given."""

    calls: ClassVar[list[Any]] = []

    def create(self, ctx, inputs):
        return self._put("create", inputs)

    def update(self, ctx, id, before, after):
        self.calls.append(("before", before["content"].hash))
        return self._put("update", after)

    def _put(self, action, inputs):
        content = inputs["content"]
        with content.open() as opened:
            self.calls.append((action, content.path.name, opened.read()))
        return iac.Live("page")

    def read(self, ctx, id):
        return iac.Live(id)

    def delete(self, ctx, id):
        self.calls.append(("delete",))


class Page(iac.Resource, type="assettest:Page", handler=PageHandler):
    """Something with content."""

    content: iac.Input[iac.Asset] = iac.field()
    more: iac.Input[dict[str, iac.Input[iac.Asset | str]]] | None = iac.field(default=None)
    note: iac.Input[str] | None = iac.field(default=None)
    free: iac.Input[Any] | None = iac.field(default=None)


@pytest.fixture(params=["memory", "sqlite"])
def engine(request, tmp_path):
    PageHandler.calls.clear()
    state = "memory:" if request.param == "memory" else f"sqlite:///{tmp_path}/state.db"
    with iac.Engine(state=state) as made:
        yield made


@pytest.fixture
def file(tmp_path):
    found = tmp_path / "index.html"
    found.write_text("<p>one")
    return found


def pages(path, **more):
    class Site(iac.Stack):
        def build(self):
            Page("page", content=iac.Asset(path), **more)

    return Site("prod")


def test_content_reaches_the_handler_and_a_hash_reaches_state(engine, file, tmp_path):
    """The same content, wherever it lies, is no change; other content is an update."""
    plan = engine.plan(pages(file))
    assert "content = <Asset 'index.html' sha256:" in str(plan)
    engine.apply(plan)
    assert PageHandler.calls == [("create", "index.html", b"<p>one")]
    old = engine.snapshot("site/prod").records["page"].inputs["content"]
    assert old == iac.Asset(file)

    moved = file.rename(tmp_path / "start.html")
    assert not engine.plan(pages(moved))

    moved.write_text("<p>two")
    plan = engine.plan(pages(moved))
    assert [one.path for one in plan.change("page").properties] == [("content",)]
    PageHandler.calls.clear()
    engine.apply(plan)
    assert PageHandler.calls == [("before", old.hash), ("update", "start.html", b"<p>two")]
    assert not engine.plan(pages(moved))


def test_a_file_that_changed_since_the_plan_stops_the_apply(engine, file):
    """Nothing is called, nothing is written; the message names address, field and file."""
    plan = engine.plan(pages(file))
    file.write_text("<p>other")
    with pytest.raises(StalePlanError, match=r"page: content: .*index.html has changed since the plan was made") as one:
        engine.apply(plan)
    assert one.value.paths == (str(file),)
    assert PageHandler.calls == []
    assert engine.snapshot("site/prod").serial == 0


@pytest.mark.parametrize("where", ["more", "free", "expression"])
def test_assets_deep_in_a_value_are_checked_too(engine, file, tmp_path, where):
    """In mappings, in fields of any value, and in values that only an apply tells."""
    (tmp_path / "deep").write_text("1")

    class Site(iac.Stack):
        def build(self):
            first = Page("first", content=iac.Asset(file))
            deep = iac.Asset(tmp_path / "deep")
            more = {"more": {"a": deep}, "free": [{"a": deep}], "expression": {"a": deep, "b": first.id}}[where]
            Page("page", content=iac.Asset(file), **{"more" if where == "more" else "free": more})

    plan = engine.plan(Site("prod"))
    (tmp_path / "deep").write_text("2")
    with pytest.raises(StalePlanError, match=r"^page: (more|free): .*deep has changed since"):
        engine.apply(plan)


def test_only_what_changes_is_read_again(engine, file, tmp_path):
    """A plan that leaves a page alone applies although its file has changed since."""
    other = tmp_path / "other"
    other.write_text("x")

    class Site(iac.Stack):
        note: str

        def build(self):
            Page("page", content=iac.Asset(file))
            Page("other", content=iac.Asset(other), note=self.note)

    engine.apply(Site("prod", note="1"))
    plan = engine.plan(Site("prod", note="2"))
    file.write_text("changed")
    engine.apply(plan)
    assert engine.plan(Site("prod", note="2")).counts == {"update": 1}


def test_a_file_that_changes_during_the_run_is_not_sent(engine, file, monkeypatch):
    """What was planned or nothing: the step fails, and the next run goes on."""
    original = PageHandler._put

    def late(self, action, inputs):
        file.write_text("<p>late")
        return original(self, action, inputs)

    plan = engine.plan(pages(file))
    monkeypatch.setattr(PageHandler, "_put", late)
    with pytest.raises(ExceptionGroup) as caught:
        engine.apply(plan)
    assert "the content has changed since the plan was made" in str(caught.value.exceptions[0])
    monkeypatch.setattr(PageHandler, "_put", original)
    engine.apply(pages(file))
    assert PageHandler.calls == [("create", "index.html", b"<p>late")]


def test_assets_within_mappings_are_told_leaf_by_leaf(engine, file, tmp_path):
    """The plan names the one that differs."""
    (tmp_path / "a").write_text("1")
    (tmp_path / "b").write_text("2")
    engine.apply(pages(file, more={"a": iac.Asset(tmp_path / "a"), "b": iac.Asset(tmp_path / "b"), "c": "text"}))
    (tmp_path / "b").write_text("3")
    plan = engine.plan(pages(file, more={"a": iac.Asset(tmp_path / "a"), "b": iac.Asset(tmp_path / "b"), "c": "text"}))
    assert [one.path for one in plan.change("page").properties] == [("more", "b")]


def test_content_that_somebody_else_changed_is_drift(engine, file, monkeypatch):
    """A handler that can tell the hash of what is there shows it; the next plan with a refresh mends it."""
    engine.apply(pages(file))
    there = "0" * 64
    monkeypatch.setattr(
        PageHandler, "read", lambda self, ctx, known: iac.Live(known, inputs={"content": iac.Asset.known(there)})
    )
    (change,) = engine.drift("site/prod").changes
    assert [(one.path, one.after.hash) for one in change.properties] == [(("content",), there)]
    plan = engine.plan(pages(file), refresh=True)
    assert plan.counts == {"update": 1}
    engine.apply(plan)
    assert PageHandler.calls[-1] == ("update", "index.html", b"<p>one")


def test_a_path_is_not_an_asset(engine, file):
    """A field of assets takes no text, and one of text no asset."""
    with pytest.raises(InvalidPropertyError, match=r"page: content: expected an iac.Asset, got str"):
        engine.plan(
            type("S", (iac.Stack,), {"build": lambda _: Page("page", content=str(file))})("prod"),
        )
    with pytest.raises(InvalidPropertyError, match=r"page: note: expected str, got Asset <Asset 'index.html'"):
        engine.plan(pages(file, note=iac.Asset(file)))


def test_an_asset_in_json_text_is_refused(engine, file):
    """It has no agreed text."""
    with pytest.raises(InvalidPropertyError, match=r"stands in iac.json, expected JSON values; use its .hash"):
        engine.plan(pages(file, note=iac.json({"a": iac.Asset(file)})))


def test_a_session_sends_what_was_declared(engine, file):
    """The content counts as of the declaration, there too."""
    with engine.session("site/prod") as s:
        s.ensure(Page("page", content=iac.Asset(file)))
        late = Page("late", content=iac.Asset(file))
        file.write_text("<p>two")
        with pytest.raises(StalePlanError, match="late: content: "):
            s.ensure(late)
        s.ensure(Page("late", content=iac.Asset(file)))
    assert PageHandler.calls == [("create", "index.html", b"<p>one"), ("create", "index.html", b"<p>two")]
