"""The handler of a type that has no class here: through Cloud Control, by the schema that AWS gives.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeType.html
"""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any, Final

from iaclib.aws.handlers.cloud_control import CloudControlHandler
from iaclib.errors import InvalidRequestError, ProviderError
from iaclib.model.addresses import near
from iaclib.schema.pack import pack
from iaclib.schema.registry import cloud_of, facts_of

if TYPE_CHECKING:
    from iaclib.aws.provider import Provider
    from iaclib.provider.base import Identity
    from iaclib.schema.facts import TypeFacts

_NEEDED: Final = ("create", "read", "delete")
_ABSENT: Final = frozenset({"TypeNotFoundException", "CFNRegistryException"})

#: Handlers by whom they serve: accounts have types of their own, regions versions of the public ones.
_made: dict[tuple[Identity, str | None, str], DescribedHandler] = {}
_lock = threading.Lock()


class DescribedHandler(CloudControlHandler):
    """One type, as AWS describes it.

    Args:
        facts: Made of the type's schema; the engine plans by them.
    """

    def __init__(self, facts: TypeFacts) -> None:
        super().__init__(facts, markable=False)
        self.live_facts = facts


def handler_of(provider: Provider, type: str) -> DescribedHandler:
    """Give the handler of a type; AWS is asked once in the life of the process.

    Args:
        provider: Through which AWS is asked.
        type: Such as ``aws:Acme::Web::Site``.

    Raises:
        InvalidRequestError: There is no such type, or it can't be managed.
        ProviderError: AWS does not tell.
    """
    key = (provider.identity(), provider.endpoint_url, type)
    found = _made.get(key)
    if found is None:
        made = DescribedHandler(_described(provider, type))
        with _lock:
            found = _made.setdefault(key, made)
    return found


def _described(provider: Provider, type: str) -> TypeFacts:
    vendor = type.partition(":")[2]
    schema: dict[str, Any] = json.loads(_ask(provider, vendor)["Schema"])
    cloud = cloud_of(vendor, schema, str(schema.get("documentationUrl") or schema.get("sourceUrl") or ""))
    lacking = ", ".join(one for one in _NEEDED if one not in cloud.handlers)
    if lacking:
        msg = f"{vendor}: has no {lacking} handler in the cloud, expected create, read and delete; choose another type"
        raise InvalidRequestError(msg)
    return facts_of(type, cloud, schema)


def _ask(provider: Provider, vendor: str) -> dict[str, Any]:
    try:
        return provider.client("cloudformation").call("describe_type", Type="RESOURCE", TypeName=vendor)
    except ProviderError as error:
        if error.facts.get("code") in _ABSENT:
            hint = near(vendor, pack("aws").archive)
            msg = (
                f"{vendor}: AWS has no such type in this account and region, expected one of its own or one that is "
                f"activated; {hint or 'activate it in the CloudFormation registry'}"
            )
            raise InvalidRequestError(msg, **error.facts) from None
        msg = (
            f"{vendor}: no class is known, expected to read its schema by cloudformation:DescribeType: {error.message}"
        )
        raise type(error)(msg, **error.facts) from None
