"""Tables, by the real client against moto over HTTP."""

from __future__ import annotations

import pytest

from iaclib.aws.handlers.dynamodb import TableHandler
from iaclib.errors import ConflictError, InvalidRequestError, NotReadyError, OperationTimeoutError, PartialFailure

TABLE = TableHandler()


def attribute(name, type="S"):
    return {"attribute_name": name, "attribute_type": type}


def key(name, kind="HASH"):
    return {"attribute_name": name, "key_type": kind}


def index(name, attribute, **more):
    return {"index_name": name, "key_schema": [key(attribute)], "projection": {"projection_type": "ALL"}, **more}


PLAIN = {
    "table_name": "items",
    "attribute_definitions": [attribute("pk")],
    "key_schema": [key("pk")],
    "billing_mode": "PAY_PER_REQUEST",
}
WIDE = {
    "table_name": "items",
    "attribute_definitions": [attribute("pk"), attribute("sk"), attribute("who"), attribute("at", "N")],
    "key_schema": [key("pk"), key("sk", "RANGE")],
    "billing_mode": "PROVISIONED",
    "provisioned_throughput": {"read_capacity_units": 3, "write_capacity_units": 2},
    "global_secondary_indexes": [
        index("by-who", "who", provisioned_throughput={"read_capacity_units": 1, "write_capacity_units": 1})
    ],
    "local_secondary_indexes": [
        {
            "index_name": "by-time",
            "key_schema": [key("pk"), key("at", "RANGE")],
            "projection": {"projection_type": "INCLUDE", "non_key_attributes": ["who"]},
        }
    ],
    "stream_specification": {"stream_view_type": "NEW_IMAGE"},
    "time_to_live_specification": {"enabled": True, "attribute_name": "expires"},
    "point_in_time_recovery_specification": {"point_in_time_recovery_enabled": True},
    "deletion_protection_enabled": False,
    "table_class": "STANDARD",
    "tags": {"team": "web"},
}


@pytest.fixture
def updates(provider, monkeypatch):
    """Give the list of writing calls made from now on."""
    client = provider.client("dynamodb")
    log, call = [], client.call

    def counted(operation, /, **params):
        if not operation.startswith(("describe", "list")):
            log.append((operation, params))
        return call(operation, **params)

    monkeypatch.setattr(client, "call", counted)
    return log


def shown(live, like):
    seen = {field: live.inputs[field] for field in like}
    if "attribute_definitions" in seen:
        seen["attribute_definitions"] = sorted(seen["attribute_definitions"], key=lambda one: one["attribute_name"])
    if "point_in_time_recovery_specification" in like and seen["point_in_time_recovery_specification"]:
        wanted = like["point_in_time_recovery_specification"]
        seen["point_in_time_recovery_specification"] = {
            key: seen["point_in_time_recovery_specification"].get(key) for key in wanted
        }
    return seen


def ordered(inputs):
    return {
        **inputs,
        "attribute_definitions": sorted(inputs["attribute_definitions"], key=lambda one: one["attribute_name"]),
    }


def test_a_table_shows_what_was_declared(ctx):
    """A table reads back as it was declared, with all that takes calls of its own."""
    live = TABLE.create(ctx(), WIDE)
    assert live.id == "items"
    assert shown(live, WIDE) == ordered(WIDE)
    assert live.outputs["arn"].endswith(":table/items")
    assert "/stream/" in live.outputs["stream_arn"]
    assert live.ready


def test_a_plain_table_has_no_stream(ctx):
    """Without a stream its ARN is None, and throughput on demand shows as unset."""
    live = TABLE.create(ctx(), PLAIN)
    assert live.outputs["stream_arn"] is None
    assert live.inputs["provisioned_throughput"] is None
    assert shown(live, PLAIN) == PLAIN


def test_encryption_by_a_key_of_ones_own(ctx, updates):
    """Encryption is declared, read, changed and turned off."""
    on = {**PLAIN, "sse_specification": {"sse_enabled": True, "sse_type": "KMS"}}
    live = TABLE.create(ctx(), on)
    assert live.inputs["sse_specification"]["sse_enabled"] is True
    updates.clear()
    TABLE.update(
        ctx(), "items", on, {**PLAIN, "sse_specification": {**on["sse_specification"], "kms_master_key_id": "k"}}
    )
    TABLE.update(ctx(), "items", on, on)
    TABLE.update(ctx(), "items", on, PLAIN)
    # Moto takes these and does nothing, so the calls are what is looked at.
    assert [params["SSESpecification"] for _, params in updates] == [
        {"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": "k"},
        {"Enabled": False},
    ]


def test_indexes_change_one_at_a_time(ctx, updates):
    """Of several index changes each is a call of its own, deletes first, and the table is waited for."""
    before = {
        **PLAIN,
        "attribute_definitions": [attribute("pk"), attribute("a"), attribute("b")],
        "global_secondary_indexes": [index("one", "a"), index("two", "b")],
    }
    TABLE.create(ctx(), before)
    updates.clear()
    after = {
        **PLAIN,
        "attribute_definitions": [attribute("pk"), attribute("b"), attribute("c"), attribute("d")],
        "global_secondary_indexes": [index("two", "c"), index("three", "d"), index("four", "b")],
    }
    live = TABLE.update(ctx(), "items", before, after)
    assert {one["index_name"]: one for one in live.inputs["global_secondary_indexes"]} == {
        one["index_name"]: one for one in after["global_secondary_indexes"]
    }
    changes = [params["GlobalSecondaryIndexUpdates"] for _, params in updates]
    assert all(len(change) == 1 for change in changes)
    assert [next(iter(change[0])) for change in changes] == ["Delete", "Delete", "Create", "Create", "Create"]
    updates.clear()
    TABLE.update(ctx(), "items", before, after)
    assert updates == []


def test_billing_mode_and_throughput_change(ctx):
    """A table goes from on demand to provisioned and back, its indexes with it."""
    before = {
        **PLAIN,
        "attribute_definitions": [attribute("pk"), attribute("a")],
        "global_secondary_indexes": [index("one", "a")],
    }
    TABLE.create(ctx(), before)
    units = {"read_capacity_units": 5, "write_capacity_units": 4}
    after = {
        **before,
        "billing_mode": "PROVISIONED",
        "provisioned_throughput": units,
        "global_secondary_indexes": [index("one", "a", provisioned_throughput=units)],
    }
    assert shown(TABLE.update(ctx(), "items", before, after), after) == ordered(after)
    more = {**after, "provisioned_throughput": {"read_capacity_units": 6, "write_capacity_units": 4}}
    assert shown(TABLE.update(ctx(), "items", after, more), more) == ordered(more)
    assert shown(TABLE.update(ctx(), "items", more, before), before) == ordered(before)


def test_the_other_settings_change_in_place(ctx):
    """Expiry, backups, protection and tags follow the declaration."""
    TABLE.create(ctx(), WIDE)
    after = {
        **WIDE,
        "time_to_live_specification": {"enabled": True, "attribute_name": "until"},
        "point_in_time_recovery_specification": {"point_in_time_recovery_enabled": False},
        "deletion_protection_enabled": True,
        "tags": {"env": "prod"},
    }
    live = TABLE.update(ctx(), "items", WIDE, after)
    off = {"point_in_time_recovery_specification": None}
    assert shown(live, {**after, **off}) == {**ordered(after), **off}
    again = TABLE.update(ctx(), "items", WIDE, after)
    assert shown(again, {**after, **off}) == {**ordered(after), **off}


def test_the_class_of_a_table_is_changed(ctx, provider, monkeypatch):
    """Another class is asked for in a call of its own; unset, it is the standard one."""
    client = provider.client("dynamodb")
    call, classes = client.call, []

    def aws(operation, /, **params):  # moto does not keep the class
        if operation == "update_table":
            classes.append(params["TableClass"])
            return {}
        if operation == "create_table":
            classes.append(params["TableClass"])
        answer = call(operation, **params)
        if operation == "describe_table":
            answer["Table"]["TableClassSummary"] = {"TableClass": classes[-1]}
        return answer

    monkeypatch.setattr(client, "call", aws)
    rare = {**PLAIN, "table_class": "STANDARD_INFREQUENT_ACCESS"}
    assert TABLE.create(ctx(), rare).inputs["table_class"] == "STANDARD_INFREQUENT_ACCESS"
    assert TABLE.update(ctx(), "items", rare, PLAIN).inputs["table_class"] == "STANDARD"
    assert classes == ["STANDARD_INFREQUENT_ACCESS", "STANDARD"]


def test_a_stream_is_exchanged_by_stopping_it(ctx, provider, monkeypatch):
    """What a stream shows can't be changed while it is on, so it stops first; its ARN is a new one."""
    before = {**PLAIN, "stream_specification": {"stream_view_type": "NEW_IMAGE"}}
    TABLE.create(ctx(), before)
    client = provider.client("dynamodb")
    call, asked = client.call, []

    def aws(operation, /, **params):
        if operation == "update_table":  # moto refuses a second stream for ever
            asked.append(params["StreamSpecification"])
            return {}
        answer = call(operation, **params)
        if operation == "describe_table" and asked:
            answer["Table"] |= {"StreamSpecification": asked[-1], "LatestStreamArn": f"stream-{len(asked)}"}
        return answer

    monkeypatch.setattr(client, "call", aws)
    after = {**PLAIN, "stream_specification": {"stream_view_type": "KEYS_ONLY"}}
    live = TABLE.update(ctx(), "items", before, after)
    assert asked == [{"StreamEnabled": False}, {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}]
    assert live.inputs["stream_specification"] == after["stream_specification"]
    assert live.outputs["stream_arn"] == "stream-2"


def test_what_is_no_longer_declared_is_turned_off(ctx):
    """Leaving settings out of the program turns them off."""
    before = {**PLAIN, **{field: WIDE[field] for field in ("stream_specification", "tags")}}
    before |= {field: WIDE[field] for field in WIDE if field.startswith(("time_to", "point_in"))}
    TABLE.create(ctx(), before)
    live = TABLE.update(ctx(), "items", before, PLAIN)
    assert {live.inputs[field] for field in ("stream_specification", "time_to_live_specification", "tags")} == {None}
    assert live.inputs["point_in_time_recovery_specification"] is None


def test_a_protected_table_is_not_deleted(ctx, updates):
    """Deletion protection is never lifted; the error names the property to set first."""
    TABLE.create(ctx(), {**PLAIN, "deletion_protection_enabled": True})
    updates.clear()
    with pytest.raises(InvalidRequestError, match="deletion_protection_enabled") as caught:
        TABLE.delete(ctx(), "items")
    assert not caught.value.retryable
    assert updates == []


def test_find_finishes_a_table_that_was_cut_short(ctx):
    """Expiry and backups are set up when a half-made table is found, by its own step only."""
    step = ctx()
    TABLE.make(step, WIDE)
    assert TABLE.find(ctx(), WIDE) is None
    assert shown(TABLE.find(step, WIDE), WIDE) == ordered(WIDE)
    assert shown(TABLE.create(step, WIDE), WIDE) == ordered(WIDE)
    with pytest.raises(ConflictError) as caught:
        TABLE.create(ctx(), WIDE)
    assert caught.value.existing_id == "items"


def test_a_table_is_ready_when_it_and_its_indexes_are(ctx, monkeypatch):
    """A table that is being made, or an index that is being built, is not ready."""
    inputs = {
        **PLAIN,
        "attribute_definitions": [attribute("pk"), attribute("a")],
        "global_secondary_indexes": [index("one", "a")],
    }
    TABLE.create(ctx(), inputs)
    described = TABLE._described
    for change in (
        lambda table: table.update(TableStatus="CREATING"),
        lambda table: table["GlobalSecondaryIndexes"][0].update(IndexStatus="CREATING"),
    ):

        def altered(step, name, change=change):
            table = described(step, name)
            change(table)
            return table

        monkeypatch.setattr(TABLE, "_described", altered)
        live = TABLE.read(ctx(), "items")
        assert live is not None
        assert not live.ready


def test_a_table_on_its_way_out_is_gone(ctx, monkeypatch):
    """A table that is being deleted reads as absent."""
    TABLE.create(ctx(), PLAIN)
    described = TABLE._described
    monkeypatch.setattr(TABLE, "_described", lambda step, name: {**described(step, name), "TableStatus": "DELETING"})
    assert TABLE.read(ctx(), "items") is None


def test_waiting_ends_at_the_deadline(ctx, provider, monkeypatch):
    """A table that never gets ready for what follows its creation is a repairable failure."""
    client = provider.client("dynamodb")
    call, now = client.call, [0.0]

    def never(operation, /, **params):
        answer = call(operation, **params)
        if operation == "describe_table":
            answer["Table"]["TableStatus"] = "CREATING"
        return answer

    monkeypatch.setattr(client, "call", never)
    step = ctx(deadline=60.0, monotonic=lambda: now[0], sleep=lambda seconds: now.__setitem__(0, now[0] + seconds))
    with pytest.raises(PartialFailure) as caught:
        TABLE.create(step, {**PLAIN, "time_to_live_specification": {"enabled": True, "attribute_name": "at"}})
    assert caught.value.repairable
    assert isinstance(caught.value.cause, OperationTimeoutError)
    assert now[0] >= 60.0


def test_a_changing_table_is_deleted_when_it_can_be(ctx, provider, monkeypatch):
    """A delete that comes while the table changes is tried again."""
    TABLE.create(ctx(), PLAIN)
    client = provider.client("dynamodb")
    call, refused = client.call, []

    def busy(operation, /, **params):
        if operation == "delete_table" and len(refused) < 2:
            refused.append(operation)
            msg = "aws dynamodb delete_table: ResourceInUseException: being updated"
            raise NotReadyError(msg)
        return call(operation, **params)

    monkeypatch.setattr(client, "call", busy)
    TABLE.delete(ctx(), "items")
    assert TABLE.read(ctx(), "items") is None
    TABLE.delete(ctx(), "items")
