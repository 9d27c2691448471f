"""``plan.permissions()``: what is in a plan and no more, in an order that never changes."""

from __future__ import annotations

import json

import iaclib as iac
from iaclib.aws import ec2, kinesis, sqs
from iaclib.local import files
from iaclib.plan.plan import Plan
from iaclib.testing import Simulator

QUEUE = {
    "create": {"sqs:CreateQueue", "sqs:TagQueue", "sqs:GetQueueUrl"},
    "read": {"sqs:GetQueueAttributes", "sqs:ListQueueTags"},
    "update": {"sqs:SetQueueAttributes"},
    "delete": {"sqs:DeleteQueue"},
    "tag": {"sqs:TagQueue", "sqs:UntagQueue"},
}
STATUS = "cloudformation:GetResourceRequestStatus"


def queue(*operations: str) -> set[str]:
    return {action for one in operations for action in QUEUE[one]}


class Jobs(iac.Stack):
    """A queue, and what else is asked for."""

    seconds: int = 30
    label: str = "one"
    name: str = "jobs"
    stream: bool = False
    file: bool = False
    queue: bool = True

    def build(self) -> None:
        if self.queue:
            sqs.Queue("queue", queue_name=self.name, visibility_timeout=self.seconds, tags={"Label": self.label})
        if self.stream:
            kinesis.Stream("stream", shard_count=1)
        if self.file:
            files.File("file", path="x", content="y")


def actions(plan):
    return set(plan.permissions().actions)


def test_each_action_needs_its_own():
    sim = Simulator()
    assert actions(sim.plan(Jobs("prod"))) == queue("create", "read")
    sim.apply(Jobs("prod"))

    assert actions(sim.plan(Jobs("prod", seconds=5))) == queue("update", "read")
    assert actions(sim.plan(Jobs("prod", label="two"))) == queue("update", "read", "tag")
    assert actions(sim.plan(Jobs("prod", name="other"))) == queue("create", "read", "delete")
    assert actions(sim.plan(Jobs("prod", queue=False))) == queue("delete", "read")


def test_a_plan_without_changes_needs_reads_if_it_refreshes():
    sim = Simulator()
    sim.apply(Jobs("prod"))
    same = sim.plan(Jobs("prod"))

    assert not same.permissions()
    assert same.permissions().statements == []
    assert set(same.permissions(refresh=True).actions) == queue("read")
    assert actions(sim.plan(Jobs("prod"), refresh=True)) == queue("read")


def test_through_cloud_control_it_needs_both_doors():
    sim = Simulator()
    found = actions(sim.plan(Jobs("prod", queue=False, stream=True)))

    assert {"cloudformation:CreateResource", "cloudformation:GetResource", STATUS} <= found
    assert {"kinesis:CreateStream", "kinesis:DescribeStreamSummary", "kinesis:AddTagsToStream"} <= found
    assert not {one for one in found if "Delete" in one and one.startswith("cloudformation")}
    sim.apply(Jobs("prod", queue=False, stream=True))
    gone = actions(sim.plan(Jobs("prod", queue=False)))
    assert {"cloudformation:DeleteResource", STATUS, "kinesis:DeleteStream"} <= gone
    assert "cloudformation:CreateResource" not in gone


def test_what_is_not_of_aws_is_named():
    needs = Simulator().plan(Jobs("prod", file=True)).permissions()

    assert needs.uncovered == ("local:File",)
    assert set(needs.actions) == queue("create", "read")


def test_it_is_a_policy_and_always_the_same():
    needs = Simulator().plan(Jobs("prod", stream=True)).permissions()
    document = json.loads(needs.json())

    assert document == needs.document
    assert document["Version"] == "2012-10-17"
    assert [one["Sid"] for one in document["Statement"]] == ["Cloudformation", "Kinesis", "Sqs"]
    assert all(one["Effect"] == "Allow" and one["Resource"] == "*" for one in document["Statement"])
    assert [action for one in document["Statement"] for action in one["Action"]] == sorted(needs.actions)
    assert needs.reasons["sqs:CreateQueue"] == ("aws:sqs:Queue",)
    assert Simulator().plan(Jobs("prod", stream=True)).permissions() == needs


def test_a_plan_from_a_file_needs_the_same(tmp_path):
    sim = Simulator()
    plan = sim.plan(Jobs("prod", stream=True))
    plan.save(tmp_path / "plan")

    assert Plan.load(tmp_path / "plan").permissions() == plan.permissions()


def test_what_is_looked_up_is_read():
    class Looks(iac.Stack):
        def build(self) -> None:
            vpc = ec2.VPC.get("shared", id="vpc-1")
            ec2.lookup_image("image", owners=["amazon"])
            self.export(cidr=vpc.cidr_block)

    sim = Simulator()
    sim.add(ec2.VPC, "vpc-1", cidr_block="10.0.0.0/16")
    sim.answer(ec2.ImageLookup, {"id": "ami-1"})
    found = actions(sim.plan(Looks("prod")))

    assert {"ec2:DescribeVpcs", "ec2:DescribeImages"} <= found
    assert not [one for one in found if not one.startswith("ec2:Describe")]
