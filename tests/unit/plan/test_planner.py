"""What is planned for one resource: rules 10 to 14, 26, 29 and 30."""

import pytest
from msgspec import structs

from iaclib.errors import InvalidPropertyError, PlanError, ProtectedResourceError, StateVersionError
from iaclib.model.values import UNKNOWN, Secret
from iaclib.plan.facts import Facts
from iaclib.state.record import ProviderRecord, Record, Snapshot


def test_unchanged_program_plans_nothing(kit):
    """A second plan after an apply is empty."""

    def build(_stack):
        net = kit.Net("net", cidr="10", tags={"a": "b"})
        kit.Node("node", net=net.id, note=f"on {net.arn} {net.state}")
        kit.Named("named", password="hunter2", rules=[1, 2])

    snapshot = kit.applied(kit.plan(build))
    snapshot = structs.replace(
        snapshot,
        records={
            **snapshot.records,
            "node": structs.replace(snapshot.records["node"], inputs={"net": "net-id", "note": "on net.arn ok"}),
        },
    )
    made = kit.plan(build, snapshot)
    assert kit.actions(made) == {}
    assert not made
    assert str(made) == "shop/prod: Nothing to do."
    assert [change.action for change in made.changes] == ["same"] * 3


def test_equal_arguments_give_equal_plans(kit):
    """The digest and the text don't depend on the order in which state was read."""

    def build(_stack):
        kit.Net("net", cidr="11")

    def old(_stack):
        for name in "abc":
            kit.Net(name, cidr=name)

    snapshot = kit.applied(kit.plan(old))
    turned = structs.replace(snapshot, records=dict(reversed(snapshot.records.items())))
    one, two = kit.plan(build, snapshot), kit.plan(build, turned)
    assert str(one) == str(two)
    assert one.digest == two.digest
    assert one.digest != kit.plan(build).digest


def test_update_keeps_stable_outputs_known(kit):
    """Of an updated resource the id and stable outputs stay known, the others don't."""

    def build(dns):
        def inner(_stack):
            net = kit.Net("net", cidr="10", dns=dns)
            kit.Node("id", note=net.id)
            kit.Node("arn", note=net.arn)
            kit.Node("state", note=net.state)

        return inner

    snapshot = kit.applied(kit.plan(build(None)), state={"inputs": {"note": "ok"}})
    made = kit.plan(build(True), snapshot)
    assert kit.actions(made) == {"net": "update", "state": "may update"}
    assert made.change("state").after == {"note": UNKNOWN}
    assert made.change("state").properties[0].known is False


def test_replaced_resource_is_unknown_to_its_dependents(kit):
    """A field that replaces and isn't known yet may replace; one that doesn't may update."""

    def build(cidr):
        def inner(_stack):
            net = kit.Net("net", cidr=cidr)
            kit.Node("hard", net=net.id)
            kit.Node("soft", note=net.arn)

        return inner

    made = kit.plan(build("11"), kit.applied(kit.plan(build("10"))))
    assert kit.actions(made) == {"net": "replace", "hard": "may replace", "soft": "may update"}
    assert made.change("hard").properties[0].forces_replacement


def test_certain_change_beside_an_unknown_one_is_certain(kit):
    """A value that is surely another isn't made doubtful by an unknown one."""

    def build(cidr, key):
        def inner(_stack):
            net = kit.Net("net", cidr=cidr)
            kit.Net("tagged", tags={"net": net.id, "key": key})

        return inner

    made = kit.plan(build("11", "new"), kit.applied(kit.plan(build("10", "old"))))
    assert kit.actions(made)["tagged"] == "update"


def test_true_is_not_one_but_one_is_one_point_zero(kit):
    """Booleans and numbers differ; the spelling of a number doesn't."""
    snapshot = kit.applied(kit.plan(lambda _: kit.Net("net", data={"a": [1]}, size=1.0)))
    assert kit.actions(kit.plan(lambda _: kit.Net("net", data={"a": [1.0]}, size=1), snapshot)) == {}
    assert kit.actions(kit.plan(lambda _: kit.Net("net", data={"a": [True]}, size=1), snapshot)) == {"net": "update"}


def test_unordered_lists_compare_as_multisets(kit):
    """A permutation is the same; an element that comes twice is not."""
    snapshot = kit.applied(kit.plan(lambda _: kit.Named("x", rules=[{"p": 1}, {"p": 2}])))
    assert not kit.plan(lambda _: kit.Named("x", rules=[{"p": 2}, {"p": 1}]), snapshot).counts
    made = kit.plan(lambda _: kit.Named("x", rules=[{"p": 2}, {"p": 1}, {"p": 1}]), snapshot)
    assert kit.actions(made) == {"x": "update"}


@pytest.mark.parametrize(
    ("path", "after", "expected"),
    [
        ("data.a", {"a": 2, "b": 1, "l": [1, 2]}, {}),
        ("data.a", {"b": 1, "l": [1, 2]}, {}),
        ("data.new", {"a": 1, "b": 1, "l": [1, 2], "new": 1}, {}),
        ("data.a", {"a": 1, "b": 2, "l": [1, 2]}, {"net": "update"}),
        ("data.l[0]", {"a": 1, "b": 1, "l": [9, 2]}, {}),
        ("data.l[0]", {"a": 1, "b": 1, "l": [1, 9]}, {"net": "update"}),
        ("data.l[*]", {"a": 1, "b": 1, "l": [3, 4, 5]}, {}),
        ("data.l[*]", {"a": 1, "b": 1, "l": []}, {}),
        ("data", {"x": 1}, {}),
        ("data", None, {}),
    ],
)
def test_ignored_paths_keep_the_recorded_value(kit, path, after, expected):
    """Added, changed or removed at an ignored path is the same; elsewhere it is an update."""
    before = {"a": 1, "b": 1, "l": [1, 2]}
    options = kit.iac.Options(ignore_changes=[path])
    snapshot = kit.applied(kit.plan(lambda _: kit.Net("net", data=before, opts=options)))
    assert kit.actions(kit.plan(lambda _: kit.Net("net", data=after, opts=options), snapshot)) == expected


def test_normalised_inputs_compare_equal(kit):
    """What a handler normalises to the same counts as the same, and the new spelling is written."""
    snapshot = kit.applied(kit.plan(lambda _: kit.Net("net", data="A")))
    facts = Facts("L", normalise=lambda _type, inputs: {k: v.lower() for k, v in inputs.items()})
    made = kit.plan(lambda _: kit.Net("net", data="a"), snapshot, facts)
    assert made.counts == {}
    assert made
    assert made._nodes["net"].rewrite


def test_default_tags_merge_and_explicit_keys_win(kit):
    """Default tags are part of inputs; types without tags are skipped."""

    def build(_stack):
        kit.Net("net", tags={"a": "own"})
        kit.Node("node")

    tags = {"a": "default", "b": "default"}
    made = kit.plan(build, facts=Facts("L", default_tags={"net": tags, "node": tags}))
    assert made.change("net").after == {"tags": {"a": "own", "b": "default"}}
    assert made.change("node").after == {}


def test_generated_name_is_kept_until_a_replacement(kit):
    """A made name survives updates and unsetting, and is fresh on replacement."""
    first = kit.plan(lambda _: kit.Named("x", zone="a"))
    name = first.change("x").after["name"]
    assert name.startswith("prod-x-")
    snapshot = kit.applied(first)
    assert kit.plan(lambda _: kit.Named("x", zone="a", rules=[1]), snapshot).change("x").after["name"] == name
    replaced = kit.plan(lambda _: kit.Named("x", zone="b"), snapshot)
    assert kit.actions(replaced) == {"x": "replace"}
    assert replaced.change("x").after["name"] != name
    explicit = kit.applied(kit.plan(lambda _: kit.Named("x", name="mine", zone="a")))
    assert not kit.plan(lambda _: kit.Named("x", zone="a"), explicit).counts


def test_generation_outlives_the_record(kit):
    """An address that had an object before gets another name than that one had."""
    first = kit.plan(lambda _: kit.Named("x")).change("x").after["name"]
    again = kit.plan(lambda _: kit.Named("x"), Snapshot("L", 3, generations={"x": 1}))
    assert again.change("x").after["name"] != first
    assert again._nodes["x"].generation == 2


def test_reference_reads_a_generated_name(kit):
    """A made name is known to dependents when planning already."""

    def build(stack):
        named = kit.Named("x")
        stack.export(url=f"s3://{named.name}")

    made = kit.plan(build)
    assert made.outputs == {"url": f"s3://{made.change('x').after['name']}"}


def test_secret_is_masked_and_compared(kit):
    """A secret shows as a mask, and only another value is a change."""
    snapshot = kit.applied(kit.plan(lambda _: kit.Named("x", password="hunter2")))
    assert isinstance(snapshot.records["x"].inputs["password"], Secret)
    made = kit.plan(lambda _: kit.Named("x", password="hunter3"), snapshot)
    assert kit.actions(made) == {"x": "update"}
    assert "hunter" not in str(made) + repr(made.changes)
    assert not kit.plan(lambda _: kit.Named("x", password="hunter2"), snapshot)


def test_change_of_type_is_a_replacement(kit):
    """Another type at an address replaces the object."""
    snapshot = kit.applied(kit.plan(lambda _: kit.Net("x")))
    made = kit.plan(lambda _: kit.Node("x"), snapshot)
    assert kit.actions(made) == {"x": "replace"}
    assert "plan:Net to plan:Node" in made.change("x").reason
    assert made._nodes["x"].forced


@pytest.mark.parametrize(
    ("old", "new", "action", "rewrite"),
    [
        (("aws", "1", "eu"), ("aws", "1", "eu"), "same", False),
        (("aws", "1", "eu"), ("aws", "2", "eu"), "replace", False),
        (("aws", "1", "eu"), ("aws", "1", "us"), "replace", False),
        (("aws", "", "eu"), ("aws", "1", "eu"), "same", True),
        (("aws", "1", "eu", {"profile": "a"}), ("aws", "1", "eu", {"profile": "b"}), "same", True),
    ],
)
def test_account_and_region_replace_but_profile_does_not(kit, old, new, action, rewrite):
    """The identity of a provider counts, an unknown one is filled in, its configuration is only written."""
    before = kit.plan(lambda _: kit.Net("x"), facts=Facts("L", providers={"x": ProviderRecord(*old)}))
    snapshot = kit.applied(before)
    made = kit.plan(lambda _: kit.Net("x"), snapshot, Facts("L", providers={"x": ProviderRecord(*new)}))
    assert made.change("x").action == action
    assert made._nodes["x"].rewrite is rewrite


def test_failed_tainted_and_awaiting_records(kit):
    """Half made objects are replaced or repaired, tainted ones replaced, and a missing half is created."""

    def build(_stack):
        kit.Net("net")

    def status(**changes):
        return kit.actions(kit.plan(build, kit.applied(kit.plan(build), net=changes)))

    assert status(status="failed") == {"net": "replace"}
    assert status(status="failed", repairable=True) == {"net": "update"}
    assert status(status="tainted") == {"net": "replace"}
    assert status(status="awaiting_create", id="") == {"net": "create"}
    gone = kit.plan(lambda _: None, kit.applied(kit.plan(build), net={"status": "awaiting_create", "id": ""}))
    assert kit.actions(gone) == {"net": "forget"}


def test_drift_is_corrected_and_normalisation_is_none(kit):
    """What changed against the baseline is updated; what the cloud adds or spells otherwise is not."""

    def build(_stack):
        kit.Net("net", tags={"a": "b"}, cidr="10.0.0.0/16", dns=True)

    baseline = {"tags": {"a": "b", "aws": "x"}, "cidr": "10.0.0.0/016", "dns": True}
    snapshot = kit.applied(kit.plan(build), net={"baseline": baseline})
    record = snapshot.records["net"]

    def seen(**observed):
        new = structs.replace(record, observed={**baseline, **observed})
        return kit.plan(build, snapshot, Facts("L", observed={"net": new}))

    assert kit.actions(seen(tags={"a": "b", "aws": "y"})) == {}
    assert kit.actions(seen(dns=False)) == {"net": "update"}
    assert kit.actions(seen(cidr="11")) == {"net": "replace"}
    drifted = seen(tags={"a": "changed"}).change("net")
    assert [(one.path, one.before, one.after) for one in drifted.properties] == [(("tags", "a"), "changed", "b")]
    assert "changed outside" in drifted.reason


def test_desired_that_the_cloud_has_already_needs_no_call(kit):
    """Declaring what somebody changed by hand only writes it down."""
    snapshot = kit.applied(kit.plan(lambda _: kit.Net("net", dns=True)))
    record = structs.replace(snapshot.records["net"], observed={"dns": False})
    made = kit.plan(lambda _: kit.Net("net", dns=False), snapshot, Facts("L", observed={"net": record}))
    assert made.counts == {}
    assert made._nodes["net"].rewrite


def test_object_that_is_gone_is_created_again(kit):
    """A refresh that finds nothing leads to a create, and dependents see a new id."""

    def build(_stack):
        net = kit.Net("net")
        kit.Node("node", note=net.id)

    made = kit.plan(build, kit.applied(kit.plan(build)), Facts("L", observed={"net": None}))
    assert kit.actions(made) == {"net": "create", "node": "may update"}


def test_option_and_edge_changes_are_the_same_and_written(kit):
    """Protecting or depending calls no handler; the plan is true all the same, and counts nothing."""

    def build(**options):
        def inner(_stack):
            net = kit.Net("net")
            given = {key: [net] if key == "depends_on" else value for key, value in options.items()}
            kit.Node("node", opts=kit.iac.Options(**given))

        return inner

    snapshot = kit.applied(kit.plan(build()))
    for options in (
        {"protect": True},
        {"depends_on": True},
        {"on_delete": {"x": (1, 2)}},
        {"timeouts": kit.iac.Timeouts(delete=5)},
    ):
        made = kit.plan(build(**options), snapshot)
        assert made.counts == {}, options
        assert made
        assert made._nodes["node"].rewrite
        assert not kit.plan(build(**options), kit.applied(made))


def test_protected_resources_are_refused_all_at_once(kit):
    """Deletes and replacements of protected resources are one error that names them all."""
    keep = kit.iac.Options(protect=True)

    def build(_stack):
        kit.Net("one", cidr="1", opts=keep)
        kit.Net("two", cidr="1", opts=keep)
        kit.Net("free", cidr="1")

    snapshot = kit.applied(kit.plan(build))
    with pytest.raises(ProtectedResourceError) as caught:
        kit.plan(lambda _: kit.Net("one", cidr="2", opts=keep), snapshot)
    assert caught.value.addresses == ("one", "two")
    with pytest.raises(ProtectedResourceError):
        kit.plan(build, snapshot, destroy=True)
    made = kit.plan(lambda _: [kit.Net(name, cidr="2") for name in ("one", "two")], snapshot)
    assert made.counts == {"replace": 2, "delete": 1}


def test_maybe_replacement_of_a_protected_resource_is_left_to_apply(kit):
    """Guards don't count what only an apply can tell."""

    def build(cidr):
        def inner(_stack):
            net = kit.Net("net", cidr=cidr)
            kit.Node("node", net=net.id, opts=kit.iac.Options(protect=True))

        return inner

    made = kit.plan(build("2"), kit.applied(kit.plan(build("1"))))
    assert kit.actions(made)["node"] == "may replace"


def test_destroy_deletes_all_in_reverse_order(kit):
    """A destroy plan deletes dependents first and empties the outputs."""

    def build(stack):
        net = kit.Net("a")
        kit.Node("b", note=net.id)
        stack.export(net=net.id)

    snapshot = structs.replace(kit.applied(kit.plan(build)), outputs={"net": "a-id"})
    made = kit.plan(build, snapshot, destroy=True)
    assert list(kit.actions(made).items()) == [("b", "delete"), ("a", "delete")]
    assert made.outputs == {}


def test_superseded_records_are_extra_deletes(kit):
    """Old halves of earlier runs show as deletes, and change() gives the current object."""
    snapshot = kit.applied(kit.plan(lambda _: kit.Net("x")))
    old = structs.replace(snapshot.records["x"], id="old", uid="old")
    made = kit.plan(lambda _: kit.Net("x"), structs.replace(snapshot, superseded=[old]))
    assert made.counts == {"delete": 1}
    assert [(change.action, change.reason) for change in made.changes] == [("same", ""), ("delete", "superseded")]
    assert made.change("x").action == "same"


def test_exports_alone_make_a_plan_true(kit):
    """A plan that only writes outputs would change something."""
    made = kit.plan(lambda stack: stack.export(a=1))
    assert made
    assert made.counts == {}
    assert "+ a = 1" in str(made)


def test_unknown_address_suggests_near_ones(kit):
    """Asking for a change that isn't there helps with the spelling."""
    made = kit.plan(lambda _: kit.Net("network"))
    with pytest.raises(KeyError, match="did you mean 'network'"):
        made.change("netwrok")
    with pytest.raises(PlanError, match="did you mean 'network'"):
        kit.plan(lambda _: kit.Net("network"), replace=["netwrok"])


def test_resolved_value_of_the_wrong_kind_is_refused(kit):
    """What a function gives is checked against the field when it is known."""

    def build(_stack):
        net = kit.Net("net")
        kit.Node("node", note=net.arn.map(len))

    made = kit.plan(build)
    with pytest.raises(InvalidPropertyError, match="node: note"):
        kit.applied(made)


def test_record_of_a_newer_type_version_is_refused(kit):
    """A program older than what wrote the record says so."""
    snapshot = Snapshot("L", 1, {"x": Record("x", "plan:Net", "id", version=2)})
    with pytest.raises(StateVersionError, match="x: recorded by version 2"):
        kit.plan(lambda _: kit.Net("x"), snapshot)


def test_chain_of_ten_thousand_is_planned(kit):
    """Depth of the graph is no limit."""

    def build(cidr):
        def inner(_stack):
            last = kit.Net("root", cidr=cidr)
            for number in range(10_000):
                last = kit.Node(f"n{number}", net=last.id)

        return inner

    snapshot = kit.applied(kit.plan(build("1")))
    assert not kit.plan(build("1"), snapshot)
    assert kit.plan(build("2"), snapshot).counts == {"replace": 10_001}


def test_recorded_options_are_what_state_gives_back(kit):
    """Tuples in delete parameters don't make every later plan write the record again."""
    made = kit.plan(lambda _: kit.Net("net", opts=kit.iac.Options(on_delete={"x": (1, 2)})))
    assert kit.applied(made).records["net"].options == {"on_delete": {"x": [1, 2]}}


def test_old_records_are_upgraded_by_their_class(kit):
    """A record of an older version is brought up to date before it is compared, and written."""

    class Moved(kit.iac.Resource, type="plan:Moved", version=2):
        """Called its field otherwise in version 1."""

        new: kit.iac.Input[str] | None = kit.iac.field(default=None)

        @classmethod
        def upgrade(cls, inputs, from_version):
            assert from_version == 1
            return {"new": inputs["old"]}

    snapshot = Snapshot("L", 1, {"x": Record("x", "plan:Moved", "id", inputs={"old": "v"}, version=1)})
    made = kit.plan(lambda _: Moved("x", new="v"), snapshot)
    assert made.counts == {}
    assert made._nodes["x"].rewrite
    assert kit.actions(kit.plan(lambda _: Moved("x", new="w"), snapshot)) == {"x": "update"}
