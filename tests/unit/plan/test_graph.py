"""The order of declared resources."""

from types import SimpleNamespace

import pytest

from iaclib.declare.collect import collect
from iaclib.errors import DeclarationError, DependencyCycleError
from iaclib.plan.graph import Graph


def desired(**needs):
    """Fake a collect: name -> names that it depends on."""
    return SimpleNamespace(
        resources={
            name: SimpleNamespace(
                expressions={},
                linked=True,
                depends_on=tuple(others),
                follows=(),
                trigger=None,
                inputs={},
                location=f"shop.py:{number}",
                address=name,
            )
            for number, (name, others) in enumerate(needs.items(), 1)
        }
    )


def test_order_is_the_declaration_where_dependencies_allow():
    """Resources keep the order of the program unless one needs a later one."""
    assert Graph(desired(b=[], a=["b"], c=[])).order == ("b", "a", "c")
    assert Graph(desired(a=["c"], b=[], c=[], d=["a"])).order == ("b", "c", "a", "d")


def test_cycle_is_named_with_its_lines():
    """A circle is an error that shows each member and where it is declared."""
    with pytest.raises(DependencyCycleError) as caught:
        Graph(desired(x=["a"], a=["b"], b=["c"], c=["a"]))
    text = str(caught.value)
    assert "a (shop.py:2) needs b (shop.py:3) needs c (shop.py:4) needs a" in text
    assert "shop.py:1" not in text
    assert caught.value.addresses == ("a", "b", "c")


def test_resource_that_needs_itself_is_a_cycle():
    """The shortest circle is found too."""
    with pytest.raises(DependencyCycleError, match=r"a \(shop\.py:1\) needs a"):
        Graph(desired(a=["a"]))


def test_reference_to_something_undeclared_is_refused():
    """A dependency that the stack doesn't have is an error that names it."""
    with pytest.raises(DeclarationError, match="a: it needs 'ghost'"):
        Graph(desired(a=["ghost"]))


def test_long_chain_in_reverse_order_is_sorted():
    """Neither length nor direction of a chain matters: nothing recurses."""
    count = 20_000
    graph = Graph(desired(**{f"n{i}": [f"n{i + 1}"] if i < count - 1 else [] for i in range(count)}))
    assert graph.order == tuple(f"n{i}" for i in reversed(range(count)))


def test_dependencies_come_from_properties_and_options(kit):
    """Whatever a property reads of another resource, and what depends_on names, is needed once."""
    with kit.iac.Stack("prod", project="shop") as stack:
        net, other = kit.Net("net"), kit.Net("other")
        kit.Node("node", net=net.id, note=f"{net.arn}!", opts=kit.iac.Options(depends_on=[other]))
    graph = Graph(collect(stack))
    assert graph.dependencies["node"] == ("net", "other")
    assert graph.dependencies["net"] == ()
