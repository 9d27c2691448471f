"""Random programs and troubles: the strategies of the property tests."""

from __future__ import annotations

from hypothesis import strategies as st

from faulty_cloud import FAULTS
from random_program import NAMES, USES, Spec, Use

names = st.sampled_from(NAMES)
several = st.frozensets(names, max_size=2)
uses = st.builds(Use, names, st.sampled_from(sorted(USES)))
values = st.one_of(uses, uses, st.none(), st.sampled_from(("one", "two")))
kinds = st.sampled_from(("thing", "thing", "named", "auto", "link"))
specs = st.builds(
    Spec,
    kind=kinds,
    size=st.integers(1, 3),
    hard=values,
    link=values,
    extra=values,
    label=st.sampled_from(("one", "two")),
    depends=st.frozensets(names, max_size=1),
    delete_first=st.sampled_from((None, None, None, True, False)),
    exported=st.booleans(),
    beside=st.none() | st.none() | names,
    follow=st.just(frozenset()) | st.frozensets(names, max_size=1),
    protect=st.sampled_from((False, False, False, False, True)),
    retain=st.sampled_from((False, False, False, False, True)),
)
edits = st.one_of(
    st.tuples(st.just("all"), st.none() | specs),
    st.tuples(st.just("all"), specs),
    st.tuples(st.just("size"), st.integers(1, 3)),
    st.tuples(st.just("hard"), values),
    st.tuples(st.just("hard"), values),
    st.tuples(st.just("link"), values),
    st.tuples(st.just("extra"), values),
    st.tuples(st.just("label"), st.sampled_from(("one", "two", "three"))),
    st.tuples(st.just("kind"), kinds),
    st.tuples(st.just("depends"), several),
    st.tuples(st.just("exported"), st.booleans()),
)
options = st.one_of(
    st.tuples(st.just("delete_first"), st.sampled_from((None, True, False))),
    st.tuples(st.just("protect"), st.booleans()),
    st.tuples(st.just("ignore"), st.booleans()),
    st.tuples(st.just("retain"), st.booleans()),
    st.tuples(st.just("beside"), st.none() | names),
    st.tuples(st.just("follow"), several),
    st.tuples(st.just("trigger"), values),
    st.tuples(st.just("trigger"), values),
    st.tuples(st.just("replace_on"), st.sampled_from(("", "link", "size", "*"))),
    st.tuples(st.just("former"), st.just(frozenset()) | st.frozensets(names, max_size=1)),
    st.tuples(st.just("adopt"), st.booleans()),
    st.tuples(st.just("import_id"), st.none()),
    st.tuples(st.just("hooked"), st.booleans()),
)
changes = st.lists(st.tuples(names, edits | options), min_size=1, max_size=5)
faults = st.tuples(names, st.sampled_from([(op, kind) for op, kinds in FAULTS.items() for kind in kinds]))
