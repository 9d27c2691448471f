"""Handlers of security groups and key pairs."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from iaclib.aws import tags
from iaclib.aws.handlers.base import AwsContext, Ec2Handler
from iaclib.aws.handlers.ec2_rules import EGRESS, LET_OUT, LET_OUT_IPV6, SELF, SIDES, Side
from iaclib.errors import ConflictError, InvalidRequestError, NotFoundError
from iaclib.model.values import Secret
from iaclib.provider.handler import Live

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


class SecurityGroupHandler(Ec2Handler):
    """Security groups with their rules.

    Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html
    """

    describe, result = "describe_security_groups", "SecurityGroups"
    id_key, id_filter, kind = "GroupId", "group-id", "security-group"

    def create(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> Live:
        """Create the group, then bring its rules to what is declared."""
        for side in SIDES:  # before anything exists
            self._declared(ctx, side, inputs.get(side.field) or (), "")
        id = self._make(ctx, inputs)
        if any(inputs.get(side.field) is not None for side in SIDES):
            with self.finishing(ctx, id, {"group_id": id}):
                self._set_rules(ctx, id, {}, inputs)
        return self.fresh(ctx, id)

    def _make(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> str:
        request = {
            "GroupName": inputs["group_name"],
            "Description": inputs["group_description"],
            "VpcId": inputs.get("vpc_id"),
            "TagSpecifications": self.tag_specifications(ctx, inputs),
        }
        try:
            answer = self.settled(ctx, lambda: self.client(ctx).call("create_security_group", **request))
        except ConflictError:
            filters = {"group-name": [inputs["group_name"]]}
            if inputs.get("vpc_id"):
                filters["vpc-id"] = [inputs["vpc_id"]]
            same = list(self.described(ctx, filters))
            mine = next((group for group in same if tags.is_own(ctx, tags.raw(group.get("Tags")))), None)
            if mine is None:
                if len(same) == 1:
                    what = f"security group {inputs['group_name']!r}"
                    self.require_own(ctx, None, same[0]["GroupId"], what)
                raise
            return str(mine["GroupId"])
        return str(answer["GroupId"])

    def update(self, ctx: AwsContext, id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Live:
        """Bring rules and tags to what is declared."""
        found = self.require(ctx, id)
        self._set_rules(ctx, id, before, after)
        self.update_tags(ctx, id, before, after, found)
        return self.fresh(ctx, id)

    def delete(self, ctx: AwsContext, id: str) -> None:
        """Delete the group."""
        with self.missing_ok():
            self.client(ctx).call("delete_security_group", GroupId=id)
        self.gone(ctx, id)

    def show(self, ctx: AwsContext, found: Mapping[str, Any]) -> Live | None:
        """Turn a description into what the engine sees."""
        id = found["GroupId"]
        inputs = {
            "group_description": found.get("Description"),
            "group_name": found.get("GroupName"),
            "vpc_id": found.get("VpcId"),
            "tags": tags.from_list(found.get("Tags")),
            **{side.field: side.shown(found) for side in SIDES},
        }
        return Live(id, {"group_id": id}, inputs)

    def normalise(self, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """Compare rules as EC2 spells them: protocol names, networks, ports that mean nothing."""
        same = dict(inputs)
        for side in SIDES:
            rules = same.get(side.field)
            if isinstance(rules, (list, tuple)):
                same[side.field] = [side.canonical(rule) if isinstance(rule, dict) else rule for rule in rules]
        return same

    def _declared(
        self, ctx: AwsContext, side: Side, rules: Sequence[Mapping[str, Any]], id: str
    ) -> dict[tuple[Any, ...], dict[str, Any]]:
        """Give declared rules by identity, with ``self`` resolved, after a check."""
        found: dict[tuple[Any, ...], dict[str, Any]] = {}
        for index, rule in enumerate(rules):
            where = f"{ctx.address}: {side.field}[{index}]"
            given = [key for key in side.peers if rule.get(key) is not None]
            if len(given) != 1:
                named = " and ".join(given) or "no peer"
                expected = ", ".join(side.peers)
                msg = f"{where} has {named}, expected exactly one of {expected}; give every peer a rule of its own"
                raise InvalidRequestError(msg)
            same = side.canonical(rule)
            if same[given[0]] == SELF:
                same[given[0]] = id
            key = side.identity(same)
            if key in found and found[key] != same:
                msg = f"{where} repeats a rule with another description, expected each rule once; drop one of them"
                raise InvalidRequestError(msg)
            found[key] = same
        return found

    def _set_rules(self, ctx: AwsContext, id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """Bring both lists to what is declared: allow first, so that nothing is cut off in between."""
        group = self.settled(ctx, lambda: self.require(ctx, id))
        leaving: list[tuple[Side, list[dict[str, Any]]]] = []
        goals: dict[str, set[tuple[Any, ...]]] = {}
        for side in SIDES:
            live = {side.identity(rule): rule for rule in side.shown(group)}
            goal = self._goal(ctx, side, group, live, before, after)
            self._authorize(ctx, id, side, [rule for key, rule in goal.items() if key not in live])
            described = [
                rule
                for key, rule in goal.items()
                if key in live and rule.get("description") != live[key].get("description")
            ]
            self._describe(ctx, id, side, described)
            leaving.append((side, [rule for key, rule in live.items() if key not in goal]))
            goals[side.field] = set(goal)
        for side, rules in leaving:
            self._revoke(ctx, id, side, rules)
        self.agreed(ctx, lambda: self._shows(ctx, id, goals))

    def _goal(
        self,
        ctx: AwsContext,
        side: Side,
        group: Mapping[str, Any],
        live: Mapping[tuple[Any, ...], dict[str, Any]],
        before: Mapping[str, Any],
        after: Mapping[str, Any],
    ) -> dict[tuple[Any, ...], dict[str, Any]]:
        """Tell which rules one direction shall have.

        A list that is not declared any more takes its own rules with it and
        leaves those that others made; traffic out is then free again, as in a
        new group.
        """
        id = group["GroupId"]
        if after.get(side.field) is not None:
            return self._declared(ctx, side, after[side.field], id)
        # `before` may show rules that nobody declared; the record tells them apart.
        recorded = getattr(ctx.record, "inputs", None)
        dropped = (before if recorded is None else recorded).get(side.field)
        if dropped is None:
            return dict(live)
        goal = {key: rule for key, rule in live.items() if key not in self._declared(ctx, side, dropped, id)}
        if side is EGRESS:
            for rule in self._let_out(ctx, group.get("VpcId")):
                goal.setdefault(side.identity(rule), rule)
        return goal

    def _let_out(self, ctx: AwsContext, vpc: str | None) -> list[dict[str, Any]]:
        """Give the rules that EC2 gives a new group: the second only where there is IPv6.

        Source: https://docs.aws.amazon.com/vpc/latest/userguide/default-custom-security-groups.html
        """
        filters = [{"Name": "vpc-id", "Values": [vpc]}]
        found = list(self.client(ctx).items("describe_vpcs", "Vpcs", Filters=filters)) if vpc else []
        ipv6 = any(one.get("Ipv6CidrBlockAssociationSet") for one in found)
        return [dict(LET_OUT), *([dict(LET_OUT_IPV6)] if ipv6 else [])]

    def _authorize(self, ctx: AwsContext, id: str, side: Side, rules: Sequence[Mapping[str, Any]]) -> None:
        """Allow rules, in one call if none of them is there.

        Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AuthorizeSecurityGroupIngress.html
        """

        def call(some: Sequence[Mapping[str, Any]]) -> None:
            operation = f"authorize_security_group_{side.direction}"
            permissions = [side.request(rule) for rule in some]
            self.settled(ctx, lambda: self.client(ctx).call(operation, GroupId=id, IpPermissions=permissions))

        if not rules:
            return
        try:
            call(rules)
        except ConflictError:  # one is there already, which fails the whole call
            for rule in rules:
                with suppress(ConflictError):
                    call([rule])

    def _describe(self, ctx: AwsContext, id: str, side: Side, rules: Sequence[Mapping[str, Any]]) -> None:
        """Change the descriptions of rules; a rule without one loses it.

        Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_UpdateSecurityGroupRuleDescriptionsIngress.html
        """
        if rules:
            operation = f"update_security_group_rule_descriptions_{side.direction}"
            permissions = [side.request({"description": "", **rule}) for rule in rules]
            self.client(ctx).call(operation, GroupId=id, IpPermissions=permissions)

    def _revoke(self, ctx: AwsContext, id: str, side: Side, rules: Sequence[Mapping[str, Any]]) -> None:
        """Revoke rules, in one call if all of them are there.

        Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RevokeSecurityGroupIngress.html
        """

        def call(some: Sequence[Mapping[str, Any]]) -> None:
            operation = f"revoke_security_group_{side.direction}"
            permissions = [side.request({**rule, "description": None}) for rule in some]
            self.client(ctx).call(operation, GroupId=id, IpPermissions=permissions)

        if not rules:
            return
        try:
            call(rules)
        except NotFoundError:  # one is gone already, which fails the whole call
            for rule in rules:
                with suppress(NotFoundError):
                    call([rule])

    def _shows(self, ctx: AwsContext, id: str, goals: Mapping[str, set[tuple[Any, ...]]]) -> bool:
        group = self.one(ctx, id) or {}
        return all({side.identity(rule) for rule in side.shown(group)} == goals[side.field] for side in SIDES)


class KeyPairHandler(Ec2Handler):
    """Imported key pairs; their id is the name.

    Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ImportKeyPair.html
    """

    describe, result, id_key, id_filter, kind = "describe_key_pairs", "KeyPairs", "KeyName", "key-name", "key-pair"

    def create(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> Live:
        """Import the public key."""
        name = inputs["key_name"]
        material = inputs["public_key_material"]
        request = {
            "KeyName": name,
            "PublicKeyMaterial": Secret(material.reveal().encode())
            if isinstance(material, Secret)
            else material.encode(),
            "TagSpecifications": self.tag_specifications(ctx, inputs),
        }
        try:
            self.client(ctx).call("import_key_pair", **request)
        except ConflictError:
            found = self.one(ctx, name)
            self.require_own(ctx, tags.raw((found or {}).get("Tags")), name, f"key pair {name!r}")
        return self.fresh(ctx, name)

    def update(self, ctx: AwsContext, id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Live:
        """Set tags, which EC2 wants by the key pair's other id."""
        found = self.require(ctx, id)
        put, drop = tags.changes(before.get("tags"), after.get("tags"), tags.raw(found.get("Tags")))
        resource = [found["KeyPairId"]]
        if put:
            self.client(ctx).call("create_tags", Resources=resource, Tags=tags.to_list(put))
        if drop:
            self.client(ctx).call("delete_tags", Resources=resource, Tags=[{"Key": key} for key in drop])
        if put or drop:
            self.agreed(ctx, lambda: self._tags_show(ctx, id, put, drop))
        return self.fresh(ctx, id)

    def delete(self, ctx: AwsContext, id: str) -> None:
        """Delete the key pair; instances keep the key that they have."""
        with self.missing_ok():
            self.client(ctx).call("delete_key_pair", KeyName=id)
        self.gone(ctx, id)

    def described(self, ctx: AwsContext, filters: Mapping[str, Sequence[str]]) -> Iterator[dict[str, Any]]:
        """Describe with the key itself, which EC2 leaves out unless asked."""
        wire = [{"Name": name, "Values": list(values)} for name, values in filters.items()]
        return self.client(ctx).items(self.describe, self.result, Filters=wire, IncludePublicKey=True)

    def show(self, ctx: AwsContext, found: Mapping[str, Any]) -> Live | None:
        """Turn a description into what the engine sees."""
        outputs = {"key_fingerprint": found.get("KeyFingerprint"), "key_pair_id": found.get("KeyPairId")}
        inputs = {"key_name": found["KeyName"], "tags": tags.from_list(found.get("Tags"))}
        if found.get("PublicKey"):
            inputs["public_key_material"] = public_key(found["PublicKey"])
        return Live(found["KeyName"], outputs, inputs)

    def normalise(self, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """Compare keys without their comment, which EC2 replaces by the name."""
        material = inputs.get("public_key_material")
        if isinstance(material, str):
            return {**inputs, "public_key_material": public_key(material)}
        if isinstance(material, Secret) and isinstance(material.reveal(), str):
            return {**inputs, "public_key_material": Secret(public_key(material.reveal()))}
        return inputs


def public_key(text: str) -> str:
    """Give an OpenSSH key without its comment; other formats as they are.

    >>> public_key("ssh-ed25519 AAAA me@home")
    'ssh-ed25519 AAAA'
    """
    text = text.strip()
    return " ".join(text.split()[:2]) if text.startswith("ssh-") else text
