"""Values and expressions survive being written and read, whatever they are."""

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iaclib.errors import DeclarationError, PlanError
from iaclib.model import expressions as model
from iaclib.model.addresses import StackRef
from iaclib.model.assets import Asset
from iaclib.model.values import UNKNOWN, Secret
from iaclib.plan.writing import AbsentFunction, Reader, ReadSource, Writer, functions_in

REF = StackRef("shop", "prod")


def known(value):
    return value


class Opaque:
    """A function that nothing tells from another."""

    def __call__(self, value):
        return value


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"])),
)
keys = st.one_of(
    st.sampled_from(["$iac:", "$iac:secret", "$iac:expr", "$iac:$iac:unknown", "a"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
)
names = st.text("abc/-", min_size=1, max_size=6)


def containers(inner):
    return st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3))


plain = st.recursive(scalars, containers, max_leaves=8)
assets = st.builds(lambda path, zipped: Asset.known("f" * 64, path, zip=zipped), st.none() | names, st.booleans())
refs = st.one_of(
    st.builds(lambda a, f, s: model.Ref(REF, a, f, secret=s), names, names, st.booleans()),
    st.builds(lambda a, f, s: model.Looked(ReadSource(a, f"{a}.{f}"), f, secret=s), names, names, st.booleans()),
)


def nodes(inner):
    values = st.one_of(
        inner, plain, assets, plain.map(Secret), st.lists(inner, max_size=2), st.dictionaries(keys, inner)
    )
    return st.one_of(
        values.map(model.Literal),
        st.builds(model.Item, inner, st.one_of(st.integers(-3, 3), keys)),
        st.builds(model.Map, inner, st.sampled_from([known, Opaque(), len])),
        st.lists(values, max_size=3).map(lambda items: model.ListOf(tuple(items))),
        st.lists(st.tuples(st.one_of(keys, inner), values), max_size=2).map(lambda pairs: model.DictOf(tuple(pairs))),
        st.tuples(keys, st.tuples(inner, st.integers(0, 3)), keys).map(model.Interpolation),
        values.map(model.JsonText),
        inner.map(model.Secretive),
    )


exprs = st.recursive(refs, nodes, max_leaves=6)
lowered = st.one_of(exprs, plain, assets, plain.map(Secret), st.just(UNKNOWN), containers(st.one_of(exprs, plain)))


def write(value):
    """Give what a plan file would hold: the value, and the table of expressions; secrets lie open."""
    table = []

    def refer(parts):
        table.append(parts)
        return len(table) - 1

    written = Writer(lambda _subject, secret: [secret.reveal()], refer).value(value)
    return orjson.loads(orjson.dumps([written, table]))


def read(written):
    value, table = written
    return Reader(REF, lambda _subject, data: Secret(data[0]), table).value(value)


def alike(one, two):
    """Tell whether two lowered values are the same through and through."""
    if type(one) is not type(two):
        return False
    if isinstance(one, dict):
        return list(one) == list(two) and all(map(alike, one.values(), two.values()))
    if isinstance(one, list | tuple):
        return len(one) == len(two) and all(map(alike, one, two))
    if isinstance(one, Asset):
        return one.parts == two.parts
    if isinstance(one, Secret):
        return alike(one.reveal(), two.reveal())
    if isinstance(one, model.Map):
        return alike(one.base, two.base) and isinstance(two.function, AbsentFunction)
    if isinstance(one, model.Expr):
        own = [name for name in type(one).__slots__ if not name.startswith("_")]
        return one.depth == two.depth and all(alike(getattr(one, name), getattr(two, name)) for name in own)
    return one == two


@settings(deadline=None)  # a busy machine is no failure
@given(lowered)
def test_what_is_written_reads_as_it_was(value):
    """Types, order of keys, depth and secrecy stay, of any value; and it is written the same again."""
    written = write(value)
    found = read(written)
    assert alike(value, found)
    assert write(found) == written


def test_each_kind_of_expression_has_a_written_form():
    """A new kind must be given one: a plan that holds it could not be saved."""
    tried = {model.Ref, model.Literal, model.Item, model.Map, model.ListOf, model.DictOf}
    tried |= {model.Interpolation, model.JsonText, model.Secretive, model.Looked}
    assert set(model.Expr.__subclasses__()) == tried
    assert not [kind for one in tried for kind in one.__subclasses__()]


def test_shared_parts_are_written_once():
    """Text that doubles forty times is forty entries, not 2**40."""
    expr = model.Ref(REF, "a", "id")
    for _ in range(40):
        expr = model.Interpolation(((expr, 0), (expr, 0)))
    written = write([expr, {"again": expr}])
    assert len(written[1]) == 41
    one, two = read(written)
    assert one is two["again"]


def test_function_is_known_by_name_and_code_and_refuses_to_run():
    """What is read in its place names it and says how to bring it back."""
    expr = read(write(model.Map(model.Ref(REF, "a", "id"), known)))
    (function,) = functions_in({"x": [expr]})
    assert str(function) == f"{__name__}.known"
    assert function.digest == model.function_key(known).hex()
    assert expr.describe() == "a.id.map(known)"
    with pytest.raises(PlanError, match=r"known: a function of the program, .*apply\(plan, program=stack\)"):
        function(1)


def test_what_has_no_written_form_is_refused():
    """Nothing is written as something that it is not."""
    with pytest.raises(PlanError, match="a value of type object has no written form"):
        write({"x": object()})


@pytest.mark.parametrize(
    "written",
    [
        [{"$iac:expr": 0}, []],
        [{"$iac:expr": -1}, [["value", 1]]],
        [{"$iac:expr": True}, [["value", 1]]],
        [{"$iac:odd": 0}, []],
        [{"$iac:secret": [1], "a": 2}, []],
        [1, [["item", 0, "a"]]],
        [1, [["secret", 0], ["value", 1]]],
        [1, [["odd"]]],
        [1, [[]]],
        [1, ["ref"]],
        [1, [["ref", "a", 5]]],
        [1, [["looked", "a", "b"]]],
        [1, [["looked", "a", "b", "a.b", 1]]],
        [{"$iac:asset": ["hash"]}, []],
        [{"$iac:asset": [None, "path", False]}, []],
        [1, [["ref", "a", "b", "yes"]]],
        [1, [["value", 1], ["item", 0, 1.5]]],
        [1, [["value", 1], ["map", 0, "module"]]],
        [1, [["text", "only text"]]],
        [1, [["value", 1], ["text", [0, -1]]]],
        [1, [["value", 1], ["text", [0, 10**9]]]],
        [1, [["dict", [1, 2]]]],
        [1, [["dict", ["a"]]]],
        [1, [["value", 1], *(["secret", at] for at in range(101))]],
    ],
)
def test_what_nobody_wrote_is_refused(written):
    """Wrong places, kinds and types are errors that the reader of the file knows."""
    with pytest.raises((TypeError, ValueError, LookupError, DeclarationError)):
        read(written)


def test_deep_nesting_is_refused():
    """A file can't exhaust the stack."""
    value = 1
    for _ in range(200):
        value = [value]
    with pytest.raises(ValueError, match="too deep"):
        read([value, []])
