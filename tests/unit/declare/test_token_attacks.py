"""What programs do to text that holds an output, and what comes of it: whole, refused, or found by collecting twice."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os.path
import shlex
import string
import textwrap
import urllib.parse
from pathlib import PurePosixPath

import pytest
import yaml

from iaclib import declare as iac
from iaclib.declare.collect import collect
from iaclib.errors import AliasError, DeclarationError, InvalidPropertyError, UnknownValueError
from iaclib.model.outputs import refs, resolve
from iaclib.model.values import UNKNOWN, Secret, reveal
from iaclib.provider.base import Provider


class Handler:
    """Never called."""


class Thing(iac.Resource, type="attack:Thing", handler=Handler):
    text: iac.Input[str] = iac.field(default=None)
    any: iac.Input[object] = iac.field(default=None)
    out: iac.Output[str] = iac.computed()
    secret_out: iac.Output[str] = iac.computed(secret=True)


class Served(iac.Resource, type="attack:Served"):
    """Served by a provider."""


class Cloud(Provider):
    """Configured access."""

    name = "attack"

    def __init__(self, region):
        self.region = region

    def config(self):
        return {"region": self.region}


def at(value):
    """Name a case by the line on which it stands."""
    if not callable(value):
        return "_"
    return f"line {value.__code__.co_firstlineno}" if hasattr(value, "__code__") else value.__name__


#: A value that shows every escaping that is missing or too much.
VALUE = 'a "b" \\ é\n<c>'


def declared(program, salt=""):
    """Collect a stack in which a program is given an output."""

    def build(stack):
        program(Thing("source"), stack)

    return collect(type("Attack", (iac.Stack,), {"build": build})("dev"), salt=salt)


def field(program, name="text"):
    """Give what a field came to, and that it still depends on the source."""
    desired = declared(lambda source, stack: Thing("user", **{name: program(source)}))
    lowered = desired.resources["user"].inputs[name]
    assert ("source", "out") in refs(lowered)
    assert resolve(lowered, lambda *_: UNKNOWN) is UNKNOWN or name == "any"
    return resolve(lowered, lambda *_: VALUE)


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (lambda o: f"<{o.out}>", f"<{VALUE}>"),
        (lambda o: f"{o.out}{o.out}", VALUE * 2),
        (lambda o: f"_{o.out}_Ab12_{o.out}Ab12", f"_{VALUE}_Ab12_{VALUE}Ab12"),
        (lambda o: "%s!" % o.out, f"{VALUE}!"),  # noqa: UP031 - one of the ways to write it
        (lambda o: "{} {x}".format(o.out, x=o.out), f"{VALUE} {VALUE}"),  # noqa: UP032 - another
        (lambda o: string.Template("$a/$a").substitute(a=o.out), f"{VALUE}/{VALUE}"),
        (lambda o: "a" + str(o.out), f"a{VALUE}"),
        (lambda o: "-".join(["a", str(o.out), "b"]), f"a-{VALUE}-b"),
        (lambda o: os.path.join("/srv", str(o.out), "x"), f"/srv/{VALUE}/x"),  # noqa: PTH118 - paths of another machine
        (lambda o: str(PurePosixPath("/srv") / str(o.out)), f"/srv/{VALUE}"),
        (lambda o: str(o.out).ljust(80).strip(), VALUE),
        (lambda o: f"x {o.out} y".split()[1], VALUE),
        (lambda o: f"x={o.out}".partition("=")[2], VALUE),
        (lambda o: f"x={o.out}".replace("x", "y"), f"y={VALUE}"),
        (lambda o: textwrap.dedent(f"    {o.out}\n    x"), f"{VALUE}\nx"),
        (lambda o: textwrap.indent(f"{o.out}\nx", "  "), f"  {VALUE}\n  x"),
        (lambda o: textwrap.fill(f"some words {o.out} more words", 50, break_long_words=False), None),
        (lambda o: html.escape(f"{o.out}"), VALUE),
        (lambda o: shlex.quote(f"{o.out}"), VALUE),
        (lambda o: urllib.parse.quote(f"{o.out}"), VALUE),
        (lambda o: urllib.parse.urlencode({"k": f"{o.out}"}), f"k={VALUE}"),
        (lambda o: str(o.out).encode().decode(), VALUE),
    ],
    ids=at,
)
def test_text_keeps_its_outputs(write, expected):
    """Tokens are plain words, so that most of what is done to text leaves them whole."""
    found = field(write)
    if expected is None:
        assert found.replace("\n", " ") == f"some words {VALUE} more words".replace("\n", " ")
    else:
        assert found == expected


@pytest.mark.parametrize("levels", [1, 2, 3, 4])
def test_values_are_escaped_once_for_each_level_of_json(levels):
    """JSON within JSON within JSON reads back to the value."""

    def write(source):
        text = f"<{source.out}>"
        for _ in range(levels):
            text = json.dumps({"a": [text], "b": 1})
        return text

    found = field(write)
    for _ in range(levels):
        found = json.loads(found)["a"][0]
    assert found == f"<{VALUE}>"


def test_text_in_yaml_is_put_in_as_it_is():
    """YAML has no escaping that could be found out; a value that is a plain word reads back."""
    lowered = (
        declared(lambda source, stack: Thing("user", text=yaml.safe_dump({"a": f"{source.out}"})))
        .resources["user"]
        .inputs["text"]
    )
    assert yaml.safe_load(resolve(lowered, lambda *_: "vpc-1")) == {"a": "vpc-1"}


def test_keys_of_mappings_may_hold_outputs():
    """The mapping is unknown until they are known."""
    lowered = (
        declared(lambda source, stack: Thing("user", any={f"{source.out}-x": {"deep": [f"{source.out}"]}}))
        .resources["user"]
        .inputs["any"]
    )
    assert resolve(lowered, lambda *_: UNKNOWN) is UNKNOWN
    assert resolve(lowered, lambda *_: "k") == {"k-x": {"deep": ["k"]}}


def test_text_made_of_a_secret_is_secret():
    """In an f-string, in JSON and through a function."""

    def program(source, stack):
        Thing("plain", text=f"pw={source.secret_out}")
        Thing("json", text=json.dumps({"pw": f"{source.secret_out}"}))
        Thing("map", text=source.secret_out.map(str.upper))
        Thing("given", text=f"pw={Secret('hunter2')}")

    resources = declared(program).resources
    for name, expected in {"plain": "pw=s", "json": '{"pw": "s"}', "map": "S", "given": "pw=hunter2"}.items():
        value = resolve(resources[name].inputs["text"], lambda *_: Secret("s"))
        assert isinstance(value, Secret), name
        assert reveal(value) == expected


def test_a_mask_is_refused_by_every_field():
    """Text that was made of a secret outside of a stack has lost it."""
    mask = f"pw={Secret('hunter2')}"
    with pytest.raises(InvalidPropertyError, match="secret") as caught:
        declared(lambda source, stack: Thing("user", text=mask))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "alter",
    [
        str.upper,
        str.lower,
        str.title,
        str.swapcase,
        str.capitalize,
        str.casefold,
        lambda text: text[:20],
        lambda text: text[9:21],
        lambda text: text[-12:],
        lambda text: text[5:],
        lambda text: text.replace("_", "-"),
        lambda text: text.replace("iacTok", ""),
        lambda text: text.removeprefix("iac"),
        lambda text: textwrap.shorten(f"some words {text}", 20, placeholder="") + text[:18],
        lambda text: "\n".join(textwrap.wrap(text, 20)),
        lambda text: f"{text:.20}",
        lambda text: "%.20s" % text,  # noqa: UP031 - one of the ways to cut
        lambda text: base64.b64encode(text.encode()).decode(),
        lambda text: base64.b64encode(b"a" + text.encode()).decode(),
        lambda text: base64.b64encode(b"ab" + text.encode()).decode(),
        lambda text: base64.urlsafe_b64encode(b"??>" + text.encode()).decode(),
        lambda text: base64.b64encode(json.dumps({"user-data": text}).encode()).decode(),
        lambda text: json.dumps({"a": base64.b64encode(text.encode()).decode()}),
        lambda text: base64.b64encode(text.encode("utf-16-le")).decode(),
        lambda text: f"{text} and {text.lower()}",
    ],
    ids=at,
)
@pytest.mark.parametrize("where", ["text", "any"])
def test_altered_tokens_are_refused(alter, where):
    """What a function did to the token instead of the value is found where it enters a field."""
    with pytest.raises(InvalidPropertyError, match=r"altered token of source\.out.*output\.map"):
        declared(lambda source, stack: Thing("user", **{where: alter(f"{source.out}")}))


def test_altered_tokens_are_found_wherever_they_are():
    """In keys, deep in values, in exports, and in what outputs are made of."""
    for program in (
        lambda source, stack: Thing("user", any={f"{source.out}".lower(): 1}),
        lambda source, stack: Thing("user", any=[{"a": [f"{source.out}".lower()]}]),
        lambda source, stack: stack.export(x=f"{source.out}".lower()),
        lambda source, stack: Thing("user", text=iac.json({"a": f"{source.out}".lower()})),
        lambda source, stack: Thing("user", opts=iac.Options(replacement_trigger=f"{source.out}".lower())),
    ):
        with pytest.raises(InvalidPropertyError, match="altered token"):
            declared(program)


@pytest.mark.parametrize(
    "program",
    [
        lambda source, stack: Thing(f"x-{source.out}"),
        lambda source, stack: Thing(f"{source.out}"[:20]),
        lambda source, stack: stack.export(**{f"{source.out}": 1}),
        lambda source, stack: Thing("x", opts=iac.Options(ignore_changes=[f"any.{source.out}"])),
        lambda source, stack: Thing("x", opts=iac.Options(replace_on_changes=[f"any.{source.out}"])),
        lambda source, stack: Thing("x", opts=iac.Options(secret_outputs=[f"{source.out}"])),
        lambda source, stack: Thing("x", opts=iac.Options(aliases=[f"{source.out}"])),
        lambda source, stack: Thing("x", opts=iac.Options(import_id=f"{source.out}")),
        lambda source, stack: Thing("x", opts=iac.Options(provider=Cloud(f"{source.out}"))),
        lambda source, stack: Thing("x", opts=iac.Options(on_delete={"snapshot": f"{source.out}"})),
    ],
    ids=at,
)
def test_where_text_must_be_known_a_token_is_an_error(program):
    """Names, paths, ids and access are needed before anything is made."""
    with pytest.raises((DeclarationError, InvalidPropertyError, AliasError, UnknownValueError)):
        declared(program)


def test_a_provider_made_of_an_output_says_what_to_do_instead():
    """Also where it is in force for a block."""

    def program(source, stack):
        with Cloud(f"eu-{source.out}"):
            Served("x")

    with pytest.raises(DeclarationError, match=r"x: provider 'attack' is made of an output.*stack_output"):
        declared(program)


def test_an_output_of_another_stack_is_refused():
    """As text and as an output; the message says how to get it."""
    kept = []
    collect(
        type(
            "Other", (iac.Stack,), {"build": lambda stack: kept.append(Thing("far").out) or kept.append(f"{kept[0]}")}
        )("dev")
    )
    for value in kept:
        with pytest.raises(DeclarationError, match="another stack|of stack other/dev"):
            declared(lambda source, stack: Thing("user", text=value))  # noqa: B023 - called at once


def test_a_token_of_an_earlier_collect_is_refused():
    """Text that was kept from one collect to the next stands for what this one may not have."""
    kept = []

    def program(source, stack):
        kept.append(f"{Thing(f'only-{len(kept)}').out}")
        Thing("user", text=kept[0])

    declared(program)
    with pytest.raises(InvalidPropertyError, match="earlier collect"):
        declared(program)


@pytest.mark.parametrize(
    "text",
    ["iacTok", "iacTok_", "iacTok_AAAA_BBBB_CCCC_DDDD_EEEE_FFFF_GGGG", "my iacTok_abcd_efgh", "IACTOK_AAAA_BBBB"],
)
def test_text_that_looks_like_a_token_is_a_value(text):
    """Only tokens that this collect gave out count."""
    desired = declared(lambda source, stack: (f"{source.out}", Thing("user", text=text)))
    assert desired.resources["user"].inputs["text"] == text


@pytest.mark.parametrize(
    "use",
    [
        lambda out: f"{out:>40}",
        lambda out: f"{out!r:>40}{out:x}",
        lambda out: "a" + out,
        lambda out: out + "a",
        len,
        list,
        lambda out: "a" in out,
        lambda out: out == "a",
        lambda out: 1 if out else 0,
        lambda out: sorted([out, out]),
        lambda out: out < out,  # noqa: PLR0124 - refused before it is compared
        int,
        bytes,
        lambda out: "-".join([out, out]),  # noqa: FLY002 - the slip that is meant
        lambda out: json.dumps({"a": out}),
    ],
    ids=at,
)
def test_what_an_output_can_not_do_is_a_type_error(use):
    """Before anything wrong can come of it."""
    with pytest.raises(TypeError):
        declared(lambda source, stack: use(source.out))


def test_bytes_are_no_value():
    """Encoded text is refused as such, token or not."""
    with pytest.raises(InvalidPropertyError, match="bytes"):
        declared(lambda source, stack: Thing("user", any=f"{source.out}".encode()))


@pytest.mark.parametrize(
    "write",
    [
        lambda text: hashlib.sha256(text.encode()).hexdigest(),
        lambda text: str(len(text)),
        lambda text: text[7:15],
        lambda text: text[::-1],
        lambda text: text.encode().hex(),
        lambda text: base64.b32encode(text.encode()).decode(),
        lambda text: "yes" if text[7] < "T" else f"{text[7]}",
        lambda text: "".join(sorted(text)),
        ",".join,
        lambda text: text.translate(str.maketrans("abcdefghijkl", "bcdefghijklm"))[6:].replace("_", ""),
    ],
    ids=at,
)
def test_what_can_not_be_seen_shows_when_collected_twice(write):
    """Tokens of another salt have another text and length: what is made of their characters differs."""

    def program(source, stack):
        Thing("user", text=write(f"{source.out}"))

    one = declared(program).resources["user"].inputs["text"]
    assert isinstance(one, str), "it was not seen, which is what this test is about"
    assert any(declared(program, salt=salt).resources["user"].inputs["text"] != one for salt in ("a", "b", "c"))


def test_a_program_that_leaves_tokens_alone_is_the_same_when_collected_twice():
    """The other side of it: no false alarm."""

    def program(source, stack):
        Thing("user", text=json.dumps({"a": f"{source.out}"}), any={f"{source.out}": source.out.map(len)})

    one, two = declared(program), declared(program, salt="a")
    for name in ("text", "any"):
        values = [resolve(desired.resources["user"].inputs[name], lambda *_: VALUE) for desired in (one, two)]
        assert values[0] == values[1]
