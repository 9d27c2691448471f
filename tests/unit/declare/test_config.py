"""A stack's fields from a file and the environment, and what is wrong with either."""

from __future__ import annotations

import datetime as dt
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import attrs
import pytest

import iaclib as iac
from iaclib.declare.collect import collect
from iaclib.declare.config import load_config
from iaclib.declare.program import load_program
from iaclib.errors import ConfigError, DeclarationError
from iaclib.model.outputs import resolve

SECRET = "hunter2-hunter2"


@attrs.frozen
class Sizes:
    """A class of the program's own."""

    web: int = 1
    names: list[str] = attrs.field(factory=list)


class Shop(iac.Stack):
    """Has a field of each kind."""

    cidr: str
    size: Annotated[int, iac.Range(1, 9)] = 3
    ratio: float = 0.5
    debug: bool = False
    zones: tuple[str, ...] = ("a",)
    tags: Mapping[str, str] = iac.field(factory=dict)
    mode: Literal["on", "off"] = "on"
    port: int | str = 80
    extra: Any = None
    password: iac.Input[str] | None = iac.field(default=None, secret=True)
    sizes: Sizes | None = None
    plain_sizes: Sizes = iac.field(factory=Sizes)
    page: iac.Asset | None = None
    result: iac.Output[str] = iac.computed()

    def build(self):
        self.result = "x"
        self.export(password=self.password)


@pytest.fixture(autouse=True)
def _clean(monkeypatch, tmp_path):
    for name in os.environ:
        if name.startswith("IACLIB_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def write(text, name="iaclib.toml"):
    Path(name).write_text(text, "utf-8")


def test_fields_come_from_the_file():
    """Each in the type that the class says."""
    write(
        """
        state = "sqlite:///infra.db"
        [stacks.prod]
        program = "infra:Shop"
        [stacks.prod.config]
        cidr = "10.1.0.0/16"
        size = 4
        ratio = 1
        debug = true
        zones = ["x", "y"]
        tags = { Name = "shop" }
        port = "http"
        extra = [1, { a = 2 }]
        plain_sizes = { web = 3, names = ["n"] }
        """
    )
    shop = Shop.from_config("prod")
    assert str(shop.ref) == "shop/prod"
    assert (shop.cidr, shop.size, shop.ratio, shop.debug, shop.port) == ("10.1.0.0/16", 4, 1, True, "http")
    assert (list(shop.zones), shop.tags, shop.extra) == (["x", "y"], {"Name": "shop"}, [1, {"a": 2}])
    assert shop.plain_sizes == Sizes(3, ["n"])
    assert shop.mode == "on"
    config = load_config()
    assert (config.state, config.stacks["prod"].program) == ("sqlite:///infra.db", "infra:Shop")
    assert config.path == str(Path("iaclib.toml").absolute())


def test_the_nearest_file_upward_counts(tmp_path, monkeypatch):
    """A project file counts if it has a table for iaclib; iaclib.toml goes before it."""
    write('[tool.iaclib.stacks.prod.config]\ncidr = "project"', "pyproject.toml")
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "pyproject.toml").write_text("[tool.other]\n")
    monkeypatch.chdir(inner)
    assert Shop.from_config("prod").cidr == "project"
    (tmp_path / "iaclib.toml").write_text('[stacks.prod.config]\ncidr = "own"')
    assert Shop.from_config("prod").cidr == "own"
    assert Shop.from_config("prod", tmp_path / "pyproject.toml").cidr == "project"
    (tmp_path / "other.toml").write_text('[stacks.prod.config]\ncidr = "other"')
    assert Shop.from_config("prod", "../../other.toml").cidr == "other"
    assert Shop.from_config("prod", tmp_path).cidr == "own"


def test_a_key_with_the_project_goes_before_the_name_alone():
    """Two projects may have a stack of the same name."""
    write('[stacks.prod.config]\ncidr = "any"\n[stacks."shop/prod".config]\ncidr = "shop"')
    assert Shop.from_config("prod").cidr == "shop"
    assert Shop.from_config("shop/prod").cidr == "shop"
    other = Shop.from_config("other/prod")
    assert (str(other.ref), other.cidr) == ("other/prod", "any")


def test_the_environment_overrides(monkeypatch):
    """Text is taken as it is, anything else as JSON; an unset field may come from it alone."""
    write('state = "memory:"\n[stacks.prod.config]\nsize = 4')
    for name, text in {
        "CIDR": "10",
        "SIZE": "5",
        "RATIO": "0.25",
        "DEBUG": "Yes",
        "ZONES": '["z"]',
        "TAGS": '{"A": "b"}',
        "PORT": "ssh",
        "EXTRA": "[null]",
        "PASSWORD": SECRET,
        "PLAIN_SIZES": '{"web": 7}',
    }.items():
        monkeypatch.setenv(f"IACLIB_CONFIG_{name}", text)
    monkeypatch.setenv("IACLIB_STATE", "sqlite:///other.db")
    shop = Shop.from_config("prod")
    assert (shop.cidr, shop.size, shop.ratio, shop.debug, shop.port) == ("10", 5, 0.25, True, "ssh")
    assert (list(shop.zones), shop.tags, shop.extra, shop.plain_sizes.web) == (["z"], {"A": "b"}, [None], 7)
    assert resolve(collect(shop).outputs["password"], {}.get) == iac.Secret(SECRET)
    assert SECRET not in repr(shop.password)
    assert load_config().state == "sqlite:///other.db"


def test_a_secret_field_from_the_file_is_secret():
    """It reads as a secret output, and a printed configuration doesn't hold it."""
    write(f'[stacks.prod.config]\ncidr = "x"\npassword = "{SECRET}"')
    shop = Shop.from_config("prod")
    assert repr(shop.password).startswith("<Output")
    assert SECRET not in repr(load_config())
    with iac.Engine(state="memory:") as engine:
        assert engine.apply(shop).outputs["password"] == iac.Secret(SECRET)


def test_an_asset_is_found_beside_the_file(tmp_path, monkeypatch):
    """Its path is relative to the file, wherever the program runs."""
    (tmp_path / "index.html").write_text("<p>")
    write('[stacks.prod.config]\ncidr = "x"\npage = "index.html"')
    inner = tmp_path / "inner"
    inner.mkdir()
    monkeypatch.chdir(inner)
    assert Shop.from_config("prod").page == iac.Asset(tmp_path / "index.html")


@pytest.mark.parametrize(
    ("config", "key", "message"),
    [
        ('cidr = "x"\nsizee = 3', "stacks.prod.config.sizee", "no such field, expected one of the stack's (did you mean"),
        ('cidr = "x"\nresult = "y"', "stacks.prod.config.result", "no such field"),
        ("size = 3", "stacks.prod.config.cidr", "missing, expected str; add it, or set IACLIB_CONFIG_CIDR"),
        ('cidr = "x"\nsize = "3"', "stacks.prod.config.size", "expected int, got str '3'; correct it"),
        ('cidr = "x"\nsize = 10', "stacks.prod.config.size", "expected 1 to 9, got int 10; correct it"),
        ('cidr = "x"\nmode = "onx"', "stacks.prod.config.mode", "expected one of 'on', 'off', got str 'onx'"),
        ('cidr = "x"\nzones = ["a", 1]', "stacks.prod.config.zones[1]", "expected str, got int 1"),
        ('cidr = "x"\ntags.a = 1', "stacks.prod.config.tags.a", "expected str, got int 1"),
        ("cidr = 2024-01-01", "stacks.prod.config.cidr", "expected str, got date"),
        (f'cidr = "x"\npassword = ["{SECRET}"]', "stacks.prod.config.password", "expected str, got list (secret)"),
        ('cidr = "x"\nplain_sizes = { web = "3" }', "stacks.prod.config.plain_sizes.web", "expected int, got str"),
        ('cidr = "x"\nplain_sizes = { wep = 3 }', "stacks.prod.config.plain_sizes", "no key 'wep', expected one that is known (did you mean 'web'?)"),
        ('cidr = "x"\nplain_sizes = 3', "stacks.prod.config.plain_sizes", "could not be made of it (expected a table, got int)"),
    ],
)  # fmt: skip
def test_wrong_fields_are_named(config, key, message):
    """File, key and what was expected; never a secret."""
    write(f"[stacks.prod.config]\n{config}")
    with pytest.raises(ConfigError) as caught:
        Shop.from_config("prod")
    text = str(caught.value)
    assert text.startswith(f"{Path('iaclib.toml').absolute()}: {key}: ")
    assert message in text
    assert (caught.value.key, caught.value.path) == (key, str(Path("iaclib.toml").absolute()))
    assert SECRET not in text
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[stacks.prd.config]", "stacks.prod: not there, expected the stack's configuration (did you mean 'prd'?); add"),
        ("", "stacks.prod: not there, expected the stack's configuration (there are none)"),
        ("state = 3", "state: expected str, got int; correct it"),
        ("stat = 'x'", "no key 'stat', expected one that is known (did you mean 'state' or 'stacks'?)"),
        ("stacks = 3", "stacks: expected"),
        ("stacks.prod = 3", "stacks.prod: expected a table, got int"),
        ("stacks.prod.config = 3", "stacks.prod.config: expected a table, got int"),
        ("stacks.prod.program = 3", "stacks.prod.program: expected str, got int"),
        ("stacks.prod.configs = {}", "stacks.prod: no key 'configs', expected one that is known (did you mean 'config'?)"),
        ("state = ?", "it is no TOML (Invalid value (at line 1, column 9)), expected key = value lines; correct it"),
        ("stacks.prod.config = { cidr = 'x', extra = 2024-01-01 }", "shop/prod: extra: date is not a JSON value"),
    ],
)  # fmt: skip
def test_wrong_files_are_named(text, message):
    """What is wrong with the file itself."""
    write(text)
    with pytest.raises(ConfigError) as caught:
        Shop.from_config("prod")
    assert str(caught.value).startswith(f"{Path('iaclib.toml').absolute()}: ")
    assert message in str(caught.value)


def test_a_missing_file_says_where_it_was_looked_for(tmp_path):
    """A name that was given has to be there; a search says where it began."""
    with pytest.raises(ConfigError, match=r"iaclib.toml: not found there nor in a folder above, expected iaclib.toml"):
        Shop.from_config("prod")
    with pytest.raises(ConfigError, match=r"none.toml: it can't be read \(No such file or directory\)"):
        Shop.from_config("prod", "none.toml")
    write("[tool.other]", "pyproject.toml")
    with pytest.raises(ConfigError, match=r"pyproject.toml: tool.iaclib: not there"):
        load_config("pyproject.toml")
    (tmp_path / "bad.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="it is not UTF-8"):
        load_config("bad.toml")


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        ("SIZE", "three", "expected int as JSON, got 'three'; correct it"),
        ("SIZE", "30", "expected 1 to 9, got int 30"),
        ("DEBUG", "maybe", "expected bool, got str 'maybe'"),
        ("ZONES", "a,b", """expected a list as JSON, such as ["a", "b"], got 'a,b'"""),
        ("TAGS", "x", """expected a mapping as JSON, such as {"a": 1}, got 'x'"""),
        ("MODE", "x", "expected one of 'on', 'off', got str 'x'"),
        ("CIDER", "x", "no such field, expected one of the stack's (did you mean 'CIDR'?)"),
        ("PLAIN_SIZES", SECRET, "Sizes could not be made of it (expected a table, got str)"),
    ],
)
def test_wrong_variables_are_named(monkeypatch, variable, text, message):
    """The variable stands where else the key does."""
    write('[stacks.prod.config]\ncidr = "x"')
    monkeypatch.setenv(f"IACLIB_CONFIG_{variable}", text)
    with pytest.raises(ConfigError) as caught:
        Shop.from_config("prod")
    assert str(caught.value).startswith(f"environment: IACLIB_CONFIG_{variable}: ")
    assert message in str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_wrong_name_is_refused():
    """As the stack itself would refuse it."""
    write("")
    with pytest.raises(DeclarationError, match="not a stack name"):
        Shop.from_config("")


def test_a_program_is_imported_by_name(tmp_path):
    """From its folder, which stays on the path for the import only."""
    (tmp_path / "infra_of_test.py").write_text(
        "import iaclib as iac\nclass Outer:\n    class Inner(iac.Stack): ...\nclass Shop(iac.Stack): ...\nx = 1\n"
    )
    (tmp_path / "broken_of_test.py").write_text("import nothing_of_this_name\n")
    assert load_program("infra_of_test:Shop", str(tmp_path)).__name__ == "Shop"
    assert load_program("infra_of_test:Outer.Inner", str(tmp_path)).__name__ == "Inner"
    assert str(tmp_path) not in sys.path
    for text, message in [
        ("infra_of_test", "no name of a class, expected 'module:Class' such as 'infra:Shop'"),
        ("infra_of_test:Shop()", "no name of a class"),
        ("infra_of_test:Shob", "infra_of_test has no 'Shob', expected the class of a stack (did you mean 'Shop'?)"),
        ("infra_of_test:x", "it is int, expected a class that inherits from iac.Stack"),
        ("infra_of_test:Outer", "it is type, expected a class"),
        ("infra_of_tests:Shop", "there is no module 'infra_of_tests'"),
    ]:
        with pytest.raises(ConfigError) as caught:
            load_program(text, str(tmp_path))
        assert message in str(caught.value)
    with pytest.raises(ModuleNotFoundError, match="nothing_of_this_name"):
        load_program("broken_of_test:Shop", str(tmp_path))


def test_dates_of_toml_reach_fields_that_take_them():
    """A field of another class takes what TOML gives."""

    class Dated(iac.Stack):
        day: dt.date

        def build(self): ...

    write("[stacks.prod.config]\nday = 2024-01-02")
    assert Dated.from_config("prod").day == dt.date(2024, 1, 2)
