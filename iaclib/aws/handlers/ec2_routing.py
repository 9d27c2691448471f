"""Handlers of gateway attachments, routes and route table associations.

None of these can carry a tag: their inputs are their identity.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from iaclib.aws.handlers.base import AwsContext, AwsHandler
from iaclib.errors import ConflictError, InvalidRequestError, NotFoundError
from iaclib.provider.handler import Live

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_FILTER_VALUES = 200  # EC2 takes no more values in one filter


def _filters(**values: Sequence[str]) -> list[dict[str, Any]]:
    """Write filters in EC2's shape; ``__`` stands for a dot, ``_`` for a dash."""
    return [
        {"Name": name.replace("__", ".").replace("_", "-"), "Values": list(items)} for name, items in values.items()
    ]


class VPCGatewayAttachmentHandler(AwsHandler):
    """Attachments of internet and VPN gateways; the id is ``IGW|vpc-…`` or ``VGW|vpc-…``.

    Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AttachInternetGateway.html
    """

    service = "ec2"

    def identity(self, inputs: Mapping[str, Any]) -> str | None:
        """Give the id: a VPC has one gateway of each kind."""
        return f"{_attachment_type(inputs)}|{inputs['vpc_id']}" if inputs.get("vpc_id") else None

    def create(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> Live:
        """Attach the gateway."""
        id = f"{self._checked(ctx, inputs)}|{inputs['vpc_id']}"
        self._attach(ctx, id, _gateway(inputs))
        return self.read(ctx, id) or Live(id, ready=False)

    def read(self, ctx: AwsContext, id: str) -> Live | None:
        """Show which gateway of this kind the VPC has, if any."""
        kind, _, vpc = id.partition("|")
        for gateway, state in self._attached(ctx, kind, vpc):
            if state not in {"detached", "detaching"}:
                inputs = {
                    "vpc_id": vpc,
                    "internet_gateway_id": gateway if kind == "IGW" else None,
                    "vpn_gateway_id": gateway if kind == "VGW" else None,
                }
                return Live(id, {"attachment_type": kind}, inputs, ready=state in {"available", "attached"})
        return None

    def update(self, ctx: AwsContext, id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Live:
        """Attach another gateway instead; the old one leaves first, as a VPC has one of a kind."""
        kind, vpc = self._checked(ctx, after), after["vpc_id"]
        new = f"{kind}|{vpc}"
        current = self.read(ctx, new)
        if current is None or _gateway(current.inputs or {}) != _gateway(after):
            if current is not None:
                self.delete(ctx, new)
            self._attach(ctx, new, _gateway(after))
        if new != id and before.get("vpc_id") == vpc:
            self.delete(ctx, id)
        return self.read(ctx, new) or Live(new, ready=False)

    def delete(self, ctx: AwsContext, id: str) -> None:
        """Detach the gateway and wait until it has left.

        Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DetachVpnGateway.html
        """
        kind, _, vpc = id.partition("|")
        for gateway, state in list(self._attached(ctx, kind, vpc)):
            if state in {"detached", "detaching"}:
                continue
            with self.missing_ok():
                if kind == "IGW":
                    self.client(ctx).call("detach_internet_gateway", InternetGatewayId=gateway, VpcId=vpc)
                else:
                    self.client(ctx).call("detach_vpn_gateway", VpnGatewayId=gateway, VpcId=vpc)
        self.wait(
            ctx,
            lambda: None if any(state != "detached" for _, state in self._attached(ctx, kind, vpc)) else True,
            what=f"the gateway is still leaving {vpc}",
        )

    def _attach(self, ctx: AwsContext, id: str, gateway: str) -> None:
        kind, _, vpc = id.partition("|")

        def attach() -> None:
            if kind == "IGW":
                self.client(ctx).call("attach_internet_gateway", InternetGatewayId=gateway, VpcId=vpc)
            else:
                self.client(ctx).call("attach_vpn_gateway", VpnGatewayId=gateway, VpcId=vpc)

        if not self._has(ctx, id, gateway):
            try:
                self.settled(ctx, attach)
            except ConflictError:  # somebody attached it in between, perhaps we, with a lost answer
                if not self._has(ctx, id, gateway):
                    raise

    def _has(self, ctx: AwsContext, id: str, gateway: str) -> bool:
        """Whether this gateway is attached; another one in its place is a conflict."""
        current = self.read(ctx, id)
        if current is None:
            return False
        there = _gateway(current.inputs or {})
        if there != gateway:
            msg = (
                f"{ctx.address}: the VPC has {there} attached already, expected no gateway of this kind; "
                f"detach it, or take it over with Options(import_id={id!r})"
            )
            raise ConflictError(msg, existing_id=id)
        return True

    def _attached(self, ctx: AwsContext, kind: str, vpc: str) -> Iterator[tuple[str, str]]:
        """List (gateway, state) of the attachments of this kind that the VPC has."""
        operation, key, id_key, attachments = {
            "IGW": ("describe_internet_gateways", "InternetGateways", "InternetGatewayId", "Attachments"),
            "VGW": ("describe_vpn_gateways", "VpnGateways", "VpnGatewayId", "VpcAttachments"),
        }.get(kind, ("", "", "", ""))
        if not operation:
            return
        for found in self.client(ctx).items(operation, key, Filters=_filters(attachment__vpc_id=[vpc])):
            if found.get("State") == "deleted":
                continue
            for attachment in found.get(attachments) or ():
                if attachment.get("VpcId") == vpc:
                    yield found[id_key], attachment.get("State", "available")

    def _checked(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> str:
        given = [name for name in ("internet_gateway_id", "vpn_gateway_id") if inputs.get(name)]
        if len(given) != 1:
            msg = (
                f"{ctx.address}: {' and '.join(given) or 'no gateway'} given, "
                "expected one of internet_gateway_id and vpn_gateway_id; declare one attachment a gateway"
            )
            raise InvalidRequestError(msg)
        return _attachment_type(inputs)


def _attachment_type(inputs: Mapping[str, Any]) -> str:
    return "VGW" if inputs.get("vpn_gateway_id") and not inputs.get("internet_gateway_id") else "IGW"


def _gateway(inputs: Mapping[str, Any]) -> str:
    return str(inputs.get("internet_gateway_id") or inputs.get("vpn_gateway_id"))


#: field -> EC2's name of the destination.
_DESTINATIONS = {
    "destination_cidr_block": "DestinationCidrBlock",
    "destination_ipv6_cidr_block": "DestinationIpv6CidrBlock",
    "destination_prefix_list_id": "DestinationPrefixListId",
}
#: field -> EC2's name of the target.
_TARGETS = {
    "carrier_gateway_id": "CarrierGatewayId",
    "core_network_arn": "CoreNetworkArn",
    "egress_only_internet_gateway_id": "EgressOnlyInternetGatewayId",
    "gateway_id": "GatewayId",
    "instance_id": "InstanceId",
    "local_gateway_id": "LocalGatewayId",
    "nat_gateway_id": "NatGatewayId",
    "network_interface_id": "NetworkInterfaceId",
    "odb_network_arn": "OdbNetworkArn",
    "transit_gateway_id": "TransitGatewayId",
    "vpc_endpoint_id": "VpcEndpointId",
    "vpc_peering_connection_id": "VpcPeeringConnectionId",
}


def _canonical(destination: str) -> str:
    """Write a range as EC2 does: host bits cleared, IPv6 shortened."""
    try:
        return str(ipaddress.ip_network(destination, strict=False))
    except ValueError:  # a prefix list, or wrong, which EC2 says better
        return destination


class RouteHandler(AwsHandler):
    """Routes; the id is ``rtb-…|destination``.

    Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateRoute.html
    """

    service = "ec2"

    def identity(self, inputs: Mapping[str, Any]) -> str | None:
        """Give the id: a table has one route a destination."""
        destination = next((inputs[name] for name in _DESTINATIONS if inputs.get(name)), None)
        table = inputs.get("route_table_id")
        return f"{table}|{_canonical(destination)}" if table and destination else None

    def normalise(self, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """Write ranges as EC2 does, so that spellings of one range compare equal."""
        ranges = ("destination_cidr_block", "destination_ipv6_cidr_block")
        return {
            name: _canonical(value) if name in ranges and isinstance(value, str) else value
            for name, value in inputs.items()
        }

    def create(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> Live:
        """Create the route; one that leads to the same target already is taken for ours."""
        id = self._checked(ctx, inputs)
        try:
            self.settled(ctx, lambda: self.client(ctx).call("create_route", **self._request(inputs)))
        except ConflictError as error:
            current = self.read(ctx, id)
            if current is None or not _same_target(current, inputs):
                msg = (
                    f"{ctx.address}: the table has a route for this destination already, expected none; "
                    f"remove it, or take it over with Options(import_id={id!r})"
                )
                raise ConflictError(msg, **{**error.facts, "existing_id": id}) from None
        return self.read(ctx, id) or Live(id, {"cidr_block": id.partition("|")[2]}, ready=False)

    def read(self, ctx: AwsContext, id: str) -> Live | None:
        """Show the route, or None if the table or the route is not there."""
        return self.read_many(ctx, [id])[id]

    def read_many(self, ctx: AwsContext, ids: Sequence[str]) -> dict[str, Live | None]:
        """Show many routes by describing their tables."""
        shown: dict[str, Live | None] = dict.fromkeys(ids)
        wanted = {tuple(id.partition("|")[::2]): id for id in ids}
        tables = sorted({table for table, _ in wanted})
        for start in range(0, len(tables), _FILTER_VALUES):
            some = _filters(route_table_id=tables[start : start + _FILTER_VALUES])
            for table in self.client(ctx).items("describe_route_tables", "RouteTables", Filters=some):
                for route in table.get("Routes") or ():
                    found = _destination(route)
                    id = wanted.get((table["RouteTableId"], found))
                    # A propagated route gives way to a declared one of the same destination.
                    if id is not None and route.get("Origin") != "EnableVgwRoutePropagation":
                        shown[id] = _shown_route(id, table["RouteTableId"], route)
        return shown

    def update(self, ctx: AwsContext, id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Live:
        """Lead the route to another target.

        Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ReplaceRoute.html
        """
        self._checked(ctx, after)
        current = self.read(ctx, id)
        if current is None or not _same_target(current, after):
            self.settled(ctx, lambda: self.client(ctx).call("replace_route", **self._request(after)))
            self.agreed(ctx, lambda: (live := self.read(ctx, id)) is not None and _same_target(live, after))
        return self.read(ctx, id) or Live(id, {"cidr_block": id.partition("|")[2]}, ready=False)

    def delete(self, ctx: AwsContext, id: str) -> None:
        """Delete the route."""
        table, _, destination = id.partition("|")
        name = "DestinationCidrBlock"
        if destination.startswith("pl-"):
            name = "DestinationPrefixListId"
        elif ":" in destination:
            name = "DestinationIpv6CidrBlock"
        with self.missing_ok():
            self.client(ctx).call("delete_route", RouteTableId=table, **{name: destination})
        self.wait(ctx, lambda: True if self.read(ctx, id) is None else None, what=f"route {id} is still there")

    @staticmethod
    def _request(inputs: Mapping[str, Any]) -> dict[str, Any]:
        wire = {**_DESTINATIONS, **_TARGETS}
        given = {wire[name]: value for name, value in inputs.items() if name in wire and value is not None}
        return {"RouteTableId": inputs["route_table_id"], **given}

    def _checked(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> str:
        for what, names in (("destination", _DESTINATIONS), ("target", _TARGETS)):
            given = [name for name in names if inputs.get(name)]
            if len(given) != 1:
                msg = (
                    f"{ctx.address}: {' and '.join(given) or f'no {what}'} given, expected one {what}; "
                    f"set one of {', '.join(names)}"
                )
                raise InvalidRequestError(msg)
        return str(self.identity(inputs))


def _destination(route: Mapping[str, Any]) -> str:
    return str(next((route[wire] for wire in _DESTINATIONS.values() if route.get(wire)), ""))


def _shown_route(id: str, table: str, route: Mapping[str, Any]) -> Live:
    """Turn a description into what the engine sees."""
    inputs: dict[str, Any] = {"route_table_id": table}
    inputs |= {name: route.get(wire) or None for name, wire in {**_DESTINATIONS, **_TARGETS}.items()}
    if str(inputs["gateway_id"]).startswith("vpce-"):  # descriptions show endpoints as gateways
        inputs["vpc_endpoint_id"], inputs["gateway_id"] = inputs["gateway_id"], None
    return Live(id, {"cidr_block": id.partition("|")[2]}, inputs)


def _same_target(live: Live, inputs: Mapping[str, Any]) -> bool:
    """Whether a route leads where the inputs say; it may show more, such as an instance's interface."""
    shown = live.inputs or {}
    return all(shown.get(name) == inputs[name] for name in _TARGETS if inputs.get(name))


class SubnetRouteTableAssociationHandler(AwsHandler):
    """Associations of subnets with route tables.

    The id is AWS's ``rtbassoc-…``. As the create call takes no mark, what it
    leads to is named ``subnet-…|rtb-…``, which ``read`` understands too.

    Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AssociateRouteTable.html
    """

    service = "ec2"

    def identity(self, inputs: Mapping[str, Any]) -> str | None:
        """Name the association by what it joins."""
        subnet, table = inputs.get("subnet_id"), inputs.get("route_table_id")
        return f"{subnet}|{table}" if subnet and table else None

    def create(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> Live:
        """Associate the two; joined already, as after a lost answer, is success."""
        subnet, table = inputs["subnet_id"], inputs["route_table_id"]

        def associate() -> str:
            answer = self.client(ctx).call("associate_route_table", SubnetId=subnet, RouteTableId=table)
            return str(answer["AssociationId"])

        current = self._joined(ctx, inputs)
        if current is not None:
            return current
        try:
            id = self.settled(ctx, associate)
        except ConflictError:  # somebody joined them in between, perhaps we, with a lost answer
            current = self._joined(ctx, inputs)
            if current is None:
                raise
            return current
        return self.read(ctx, id) or Live(id, ready=False)

    def _joined(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> Live | None:
        """Give the subnet's association, if it is the one wanted; another is a conflict."""
        subnet = inputs["subnet_id"]
        found = self._found(ctx, association__subnet_id=[subnet])
        current = next((live for live in found if (live.inputs or {})["subnet_id"] == subnet), None)
        if current is not None and self.identity(current.inputs or {}) != self.identity(inputs):
            there = (current.inputs or {})["route_table_id"]
            msg = (
                f"{ctx.address}: {subnet} is associated with {there} already, expected no association; "
                f"remove it, or take it over with Options(import_id={current.id!r})"
            )
            raise ConflictError(msg, existing_id=current.id)
        return current

    def read(self, ctx: AwsContext, id: str) -> Live | None:
        """Show the association, by its id or by ``subnet-…|rtb-…``."""
        subnet, _, table = id.partition("|")
        if table:
            found = self._found(ctx, association__subnet_id=[subnet])
            return next((live for live in found if self.identity(live.inputs or {}) == id), None)
        return self.read_many(ctx, [id])[id]

    def read_many(self, ctx: AwsContext, ids: Sequence[str]) -> dict[str, Live | None]:
        """Show many associations with few calls."""
        shown: dict[str, Live | None] = dict.fromkeys(ids)
        for start in range(0, len(ids), _FILTER_VALUES):
            some = ids[start : start + _FILTER_VALUES]
            for live in self._found(ctx, association__route_table_association_id=some):
                if live.id in shown:
                    shown[live.id] = live
        return shown

    def update(self, ctx: AwsContext, id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Live:
        """Show it: every change replaces it, so there is nothing to do in place."""
        live = self.read(ctx, id)
        if live is None:
            msg = f"{ctx.address}: the association {id} is not there, expected to update it; refresh the stack"
            raise NotFoundError(msg)
        return live

    def delete(self, ctx: AwsContext, id: str) -> None:
        """Dissolve the association; the subnet falls back to the VPC's main table."""
        live = self.read(ctx, id)
        if live is None:
            return
        with self.missing_ok():
            self.client(ctx).call("disassociate_route_table", AssociationId=live.id)
        self.wait(ctx, lambda: True if self.read(ctx, live.id) is None else None, what=f"{live.id} is still there")

    def _found(self, ctx: AwsContext, **filters: Sequence[str]) -> Iterator[Live]:
        """List live associations of subnets in the tables that match."""
        for table in self.client(ctx).items("describe_route_tables", "RouteTables", Filters=_filters(**filters)):
            for joined in table.get("Associations") or ():
                state = (joined.get("AssociationState") or {}).get("State", "associated")
                if joined.get("SubnetId") and state in {"associated", "associating"}:
                    inputs = {"subnet_id": joined["SubnetId"], "route_table_id": table["RouteTableId"]}
                    yield Live(joined["RouteTableAssociationId"], {}, inputs, ready=state == "associated")
