"""Expressions: digests, references and evaluation."""

import pytest

from iaclib.errors import DeclarationError
from iaclib.model.addresses import StackRef
from iaclib.model.expressions import Item, ListOf, Map, Ref
from iaclib.model.outputs import Output, refs, resolve
from iaclib.model.tokens import TokenTable
from iaclib.model.values import UNKNOWN, Secret

STACK = StackRef("p", "s")


def test_equal_expressions_have_equal_keys_and_tokens():
    """Text is a pure function of stack and expression, whatever was asked before."""
    one, two = TokenTable(STACK), TokenTable(STACK)
    two.token(Ref(STACK, "other", "id"))
    token = one.token(Item(Ref(STACK, "a", "x"), 0))
    assert token == two.token(Item(Ref(STACK, "a", "x"), 0))
    assert len(token) <= 48
    assert token.isascii()
    assert token != TokenTable(StackRef("p", "t")).token(Item(Ref(STACK, "a", "x"), 0))


def test_functions_are_told_apart_by_what_they_close_over():
    """Two functions of one line with different closures are different expressions."""
    made = [Map(Ref(STACK, "a", "x"), lambda value, n=n: value + n) for n in (1, 2, 1)]
    assert made[0].key != made[1].key
    assert made[0].key == made[2].key


def test_a_function_is_not_called_while_an_argument_is_unknown():
    """Any unknown part makes the whole result unknown."""
    both = ListOf((Ref(STACK, "a", "x"), Ref(STACK, "b", "x")))
    assert resolve(Map(both, lambda _: 1 / 0), lambda address, _: "known" if address == "a" else UNKNOWN) is UNKNOWN
    assert refs(both) == {("a", "x"), ("b", "x")}


def test_secrets_make_secrets():
    """A function over a secret gives a secret."""
    result = resolve(Map(Ref(STACK, "a", "x"), len), lambda *_: Secret("four"))
    assert result == Secret(4)


def test_values_without_expressions_are_not_copied():
    """The lowered value itself is given back."""
    value = {"a": [1]}
    assert resolve(value, lambda *_: None) is value


def test_expressions_deeper_than_a_hundred_are_refused():
    """Depth is bounded, so that nothing recurses without end."""
    output = Output(Ref(STACK, "a", "x"))
    with pytest.raises(DeclarationError, match="deeper than 100"):
        for _ in range(200):
            output = output.map(str)
