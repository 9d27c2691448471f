"""Plans as people read them."""

from textwrap import dedent

from msgspec import structs

from iaclib.model.values import UNKNOWN, Secret
from iaclib.plan.facts import Facts
from iaclib.plan.text import show


def test_plan_reads_as_expected(kit):
    """Symbols and words, unknowns, replacements, secrets, exports and counts."""

    def before(stack):
        net = kit.Net("net", cidr="10", tags={"Name": "a"})
        kit.Node("node", net=net.id, note="x")
        kit.Named("db", name="db", password="hunter2")
        kit.Net("old")
        kit.Net("older")
        stack.export(net=net.id)

    def after(stack):
        net = kit.Net("net", cidr="11", tags={"Name": "b"})
        kit.Node("node", net=net.id)
        kit.Named("db", name="db", password="hunter3", zone="z")
        kit.Net("new", dns=True, tags={"of": net.arn})
        stack.export(net=net.id)

    snapshot = structs.replace(kit.applied(kit.plan(before)), outputs={"net": "net-id", "gone": 1})
    assert str(kit.plan(after, snapshot)) == dedent("""\
        shop/prod:

        +/- net  plan:Net  (replace: create, then delete)
              ~ cidr      = "10" -> "11"  # forces replacement
              ~ tags.Name = "a" -> "b"

        +/- node  plan:Node  (may replace: create, then delete)
              # only an apply can tell whether net changes
              ~ net  = "net-id" -> (known after apply)  # forces replacement
              - note = "x"

        -/+ db  plan:Named  (replace: delete, then create)
              # name keeps its value, so old and new can't coexist
              ~ password = (secret) -> (secret)
              + zone     = "z"  # forces replacement

          + new  plan:Net  (create)
              dns     = true
              tags.of = (known after apply)

          - old  plan:Net  (delete: no longer declared)
          - older  plan:Net  (delete: no longer declared)

        Outputs:
          ~ net  = "net-id" -> (known after apply)
          - gone = 1

        Plan: 1 to create, 0 to update, 3 to replace, 2 to delete. (1 of them may turn out not to be needed)""")


def test_values_cannot_steer_the_terminal():
    """Control characters and bidirectional marks are escaped; long text is cut."""
    assert show("\x1b[31m\u202eevil") == r'"\u001b[31m\u202eevil"'
    assert show("a\nb") == r'"a\nb"'
    assert len(show("x" * 10_000)) < 200
    assert show({"a": [UNKNOWN, Secret("s"), None]}) == '{"a": [(known after apply), (secret), null]}'


def test_only_state_changes_are_said_so(kit):
    """Option-only changes are listed without a count."""
    snapshot = kit.applied(kit.plan(lambda _: kit.Net("net")))
    text = str(kit.plan(lambda _: kit.Net("net", opts=kit.iac.Options(protect=True)), snapshot))
    assert "= net  (only what state holds of it changes)" in text
    assert text.endswith("Nothing to do in the cloud; only state will be written.")


def test_secret_that_drifted_is_masked(kit):
    """What the cloud shows of a secret is as secret as what was declared, also within other data."""

    def build(_stack):
        kit.Named("db", name="db", password="hunter2")
        kit.Net("net", data={"key": Secret("word"), "size": 1})

    snapshot = kit.applied(kit.plan(build))
    observed = {"db": {"name": "db", "password": "changed"}, "net": {"data": {"key": "other", "size": 2}}}
    seen = {
        address: structs.replace(record, observed=observed[address]) for address, record in snapshot.records.items()
    }
    made = kit.plan(build, snapshot, Facts("L", observed=seen))
    assert kit.actions(made) == {"db": "update", "net": "update"}
    shown = f"{made} {made.changes}"
    assert "changed'" not in shown
    assert "other" not in shown
    assert "password = (secret) -> (secret)" in shown
