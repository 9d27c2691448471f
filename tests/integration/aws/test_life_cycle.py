"""The whole life of stacks on an emulated AWS, over HTTP, with the calls counted."""

from __future__ import annotations

import runpy
from pathlib import Path

import boto3

import aws_cloud
import iaclib as iac

QUICKSTART = Path(__file__).parents[3] / "examples" / "quickstart.py"


def test_quickstart_lives_its_whole_life(moto, tmp_path, capsys):
    """The demo's life cycle holds: each of its own checks, and an empty cloud at the end."""
    program = runpy.run_path(str(QUICKSTART), run_name="quickstart")
    program["life"](moto, tmp_path / "infra.db")
    assert "ok: the cloud is empty" in capsys.readouterr().out
    assert aws_cloud.inventory(moto) == {}


def test_every_type_is_created_kept_updated_and_destroyed(moto, tmp_path):
    """All shipped types go through create, no-op, drift, update and destroy; a no-op writes nothing."""
    image = aws_cloud.image(moto)
    with iac.Engine(state=f"sqlite:///{tmp_path}/s.db", providers=[aws_cloud.provider(moto)]) as engine:
        run = engine.apply(aws_cloud.Everything("test", image=image))
        assert run.ok
        records = engine.snapshot("everything/test").records
        found = aws_cloud.inventory(moto)
        assert {name: len(items) for name, items in found.items()} == aws_cloud.expected(
            engine.snapshot("everything/test")
        )

        with aws_cloud.Recorder(moto) as recorder:
            again = engine.apply(aws_cloud.Everything("test", image=image))
        assert not again.steps
        assert aws_cloud.writes(recorder.operations()) == []

        with aws_cloud.Recorder(moto) as recorder:
            drift = engine.drift("everything/test")
        assert not drift, [(change.address, change.properties) for change in drift.changes]
        assert aws_cloud.writes(recorder.operations()) == []

        run = engine.apply(aws_cloud.Everything("test", image=image, label="two"))
        assert {step.action for step in run.steps} == {"update"}
        assert {address: record.id for address, record in engine.snapshot("everything/test").records.items()} == {
            address: record.id for address, record in records.items()
        }
        assert not engine.plan(aws_cloud.Everything("test", image=image, label="two"), refresh=True)

        engine.destroy("everything/test")
        assert aws_cloud.inventory(moto) == {}
        assert not engine.snapshot("everything/test").records


def test_what_vanished_is_made_again(moto, tmp_path):
    """An object deleted behind our back is found missing and created again, alone."""
    image = aws_cloud.image(moto)
    with iac.Engine(state=f"sqlite:///{tmp_path}/s.db", providers=[aws_cloud.provider(moto)]) as engine:
        engine.apply(aws_cloud.Everything("test", image=image))
        queue = engine.snapshot("everything/test").records["queue0"].id
        boto3.client("sqs", region_name=aws_cloud.REGION, endpoint_url=moto).delete_queue(QueueUrl=queue)
        with aws_cloud.settling_quickly():  # so soon after the create it would be asked for again and again
            plan = engine.plan(aws_cloud.Everything("test", image=image), refresh=True)
        assert [(change.address, change.action) for change in plan.changes if change.action != "same"] == [
            ("queue0", "create")
        ]
        run = engine.apply(plan)
        assert [step.address for step in run.steps] == ["queue0"]
