"""Which half of a replacement goes first, and who goes along: rules 2a, 4, 5 and 6."""

import pytest
from msgspec import structs

from iaclib.errors import PlanDeviationError, PlanError, ProtectedResourceError
from iaclib.plan.facts import Facts


def net_and_node(kit, *, cidr, first=None, edge=True, node_first=None, own=None, protect=False, through="net"):
    """Declare a net and a node on it."""

    def build(_stack):
        net = kit.Net("net", cidr=cidr, opts=kit.iac.Options(delete_before_replace=first))
        options = kit.iac.Options(
            delete_before_replace=node_first, protect=protect, depends_on=[net] if through == "depends_on" else []
        )
        kit.Node("node", own=own, opts=options, **({"net": net.id} if edge and through == "net" else {}))

    return build


def test_replacement_creates_before_deleting(kit):
    """Create-first is the default."""
    made = kit.plan(net_and_node(kit, cidr="2"), kit.applied(kit.plan(net_and_node(kit, cidr="1"))))
    assert kit.actions(made) == {"net": "replace", "node": "may replace"}


def test_delete_first_takes_dependents_along_for_certain(kit):
    """Who would be replaced by a delete-first root is certain, and goes first itself."""
    made = kit.plan(net_and_node(kit, cidr="2", first=True), kit.applied(kit.plan(net_and_node(kit, cidr="1"))))
    assert kit.actions(made) == {"net": "replace first", "node": "replace first"}
    assert made._nodes["node"].forced
    assert "stands on net" in made.change("node").reason


def test_cascade_reaches_the_end_of_a_chain(kit):
    """Members of a cascade take their own dependents along."""

    def build(cidr):
        def inner(_stack):
            last = kit.Net("net", cidr=cidr, opts=kit.iac.Options(delete_before_replace=True))
            for name in "abc":
                last = kit.Node(name, net=last.id)

        return inner

    made = kit.plan(build("2"), kit.applied(kit.plan(build("1"))))
    assert kit.actions(made) == dict.fromkeys(("net", "a", "b", "c"), "replace first")


def test_kept_unique_key_deletes_first(kit):
    """Old and new that share a unique key can't coexist; the plan says so."""
    snapshot = kit.applied(kit.plan(lambda _: kit.Named("x", name="n", zone="1")))
    made = kit.plan(lambda _: kit.Named("x", name="n", zone="2"), snapshot)
    assert kit.actions(made) == {"x": "replace first"}
    assert "name keeps its value" in made.change("x").reason
    option = kit.iac.Options(delete_before_replace=False)
    made = kit.plan(lambda _: kit.Named("x", name="n", zone="2", opts=option), snapshot)
    assert kit.actions(made) == {"x": "replace"}
    made = kit.plan(lambda _: kit.Named("x", name="m", zone="2"), snapshot)
    assert kit.actions(made) == {"x": "replace"}


def test_equal_identity_counts_as_a_kept_key(kit):
    """Objects whose inputs are their identity are deleted first if it stays."""
    snapshot = kit.applied(kit.plan(lambda _: kit.Node("x", net="n", own="1")))
    facts = Facts("L", identity=lambda _type, inputs: inputs.get("net"))
    assert kit.actions(kit.plan(lambda _: kit.Node("x", net="n", own="2"), snapshot, facts)) == {"x": "replace first"}
    assert kit.actions(kit.plan(lambda _: kit.Node("x", net="m", own="1"), snapshot, facts)) == {"x": "replace"}


def test_dependent_by_depends_on_alone_is_not_replaced(kit):
    """A cascade makes nobody be replaced who only waits."""
    build = [net_and_node(kit, cidr=cidr, first=True, through="depends_on") for cidr in "12"]
    made = kit.plan(build[1], kit.applied(kit.plan(build[0])))
    assert kit.actions(made) == {"net": "replace first"}


def test_dependent_replaced_for_its_own_reason_joins(kit):
    """Through any edge, who is replaced in the same run goes before what it stands on."""
    build = [net_and_node(kit, cidr=cidr, first=True, through="depends_on", own=cidr) for cidr in "12"]
    made = kit.plan(build[1], kit.applied(kit.plan(build[0])))
    assert kit.actions(made) == {"net": "replace first", "node": "replace first"}


def test_dropped_edge_still_orders_old_halves(kit):
    """What counts for deletes is what is recorded, not what is declared now."""
    snapshot = kit.applied(kit.plan(net_and_node(kit, cidr="1", own="1")))
    made = kit.plan(net_and_node(kit, cidr="2", first=True, edge=False, own="2"), snapshot)
    assert kit.actions(made) == {"net": "replace first", "node": "replace first"}


def test_member_that_insists_on_create_first_is_refused(kit):
    """Two orders at once are an error that names both."""
    snapshot = kit.applied(kit.plan(net_and_node(kit, cidr="1")))
    with pytest.raises(PlanError, match=r"node: .*stands on net"):
        kit.plan(net_and_node(kit, cidr="2", first=True, node_first=False), snapshot)


def test_cascade_over_a_protected_dependent_is_refused(kit):
    """A protected dependent stops the cascade when planning; the error names both."""
    snapshot = kit.applied(kit.plan(net_and_node(kit, cidr="1")))
    with pytest.raises(ProtectedResourceError, match=r"node: .*stands on net"):
        kit.plan(net_and_node(kit, cidr="2", first=True, protect=True), snapshot)


def test_doubtful_root_makes_doubtful_members(kit):
    """Dependents of a delete-first that may not happen may not be replaced either."""

    def build(cidr):
        def inner(_stack):
            net = kit.Net("net", cidr=cidr)
            one = kit.Node("one", net=net.id, opts=kit.iac.Options(delete_before_replace=True))
            kit.Node("two", net=one.id)

        return inner

    made = kit.plan(build("2"), kit.applied(kit.plan(build("1"))))
    assert kit.actions(made) == {"net": "replace", "one": "may replace first", "two": "may replace first"}


def test_key_of_a_removed_object_is_refused(kit):
    """A create would overwrite what is then deleted: an error that names both and suggests aliases."""
    snapshot = kit.applied(kit.plan(lambda _: kit.Named("old", name="n")))
    with pytest.raises(PlanError, match=r"new: .*of old.*aliases"):
        kit.plan(lambda _: kit.Named("new", name="n"), snapshot)


def test_key_of_a_removed_object_is_freed_on_request(kit):
    """With delete_before_replace on the new one the delete is ordered first."""
    snapshot = kit.applied(kit.plan(lambda _: kit.Named("old", name="n")))
    option = kit.iac.Options(delete_before_replace=True)
    made = kit.plan(lambda _: kit.Named("new", name="n", opts=option), snapshot)
    assert made._freed == (("new", "old"),)
    assert made._nodes["old"].delete_first


def test_key_of_an_old_half_is_refused(kit):
    """The old half of a create-first replacement holds its key until it goes."""
    snapshot = kit.applied(kit.plan(lambda _: kit.Named("old", name="n")))
    with pytest.raises(PlanError, match=r"new: .*of old"):
        kit.plan(lambda _: [kit.Named("old", name="m"), kit.Named("new", name="n")], snapshot)


def test_key_of_a_superseded_object_is_refused(kit):
    """Going back to a name whose old object waits for its delete would lose the new one."""
    snapshot = kit.applied(kit.plan(lambda _: kit.Named("x", name="m")))
    old = structs.replace(snapshot.records["x"], inputs={"name": "n"}, uid="old")
    with pytest.raises(PlanError, match=r"x: .*still due"):
        kit.plan(lambda _: kit.Named("x", name="n"), structs.replace(snapshot, superseded=[old]))


def test_unknown_key_that_turns_out_kept_is_a_deviation(kit):
    """A plan that said create-first doesn't turn into delete-first at apply."""

    def build(cidr, zone):
        def inner(_stack):
            net = kit.Net("net", cidr=cidr)
            kit.Named("x", name=net.state, zone=zone)

        return inner

    snapshot = kit.applied(kit.plan(build("1", "1")), x={"inputs": {"name": "ok", "zone": "1"}})
    made = kit.plan(build("2", "2"), snapshot)
    assert kit.actions(made)["x"] == "replace"
    with pytest.raises(PlanDeviationError, match="x: name turned out to keep"):
        made.inputs_of(made._nodes["x"], lambda _address, _field: "ok", creating=True)


def test_unknown_key_that_turns_out_held_is_refused_before_the_create(kit):
    """A key known only at apply is checked again."""
    snapshot = kit.applied(kit.plan(lambda _: kit.Named("old", name="n")))
    made = kit.plan(lambda _: kit.Named("new", name=kit.Net("net").state), snapshot)
    with pytest.raises(PlanError, match=r"new: .*of old"):
        made.inputs_of(made._nodes["new"], lambda _address, _field: "n", creating=True)


def test_unknown_input_that_turns_out_equal_does_nothing(kit):
    """At apply a replacement that dissolves is the same, and keeps its generated name."""

    def build(cidr):
        def inner(_stack):
            net = kit.Net("net", cidr=cidr)
            kit.Named("x", zone=net.state)

        return inner

    snapshot = kit.applied(kit.plan(build("1")), x={})
    made = kit.plan(build("2"), snapshot)
    node, record = made._nodes["x"], snapshot.records["x"]
    assert kit.actions(made)["x"] == "may replace"
    same = made.inputs_of(node, lambda _address, _field: record.inputs["zone"])
    assert same == record.inputs
    assert made.verdict_of(node, record, same) == "same"
    other = made.inputs_of(node, lambda _address, _field: "other")
    assert made.verdict_of(node, record, other) == "replace"
    other = made.inputs_of(node, lambda _address, _field: "other", creating=True)
    assert other["name"] != record.inputs["name"]
    assert made.verdict_of(node, record, other) == "replace"
