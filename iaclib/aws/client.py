"""One service's boto client, with errors translated and pages followed.

Handlers call operations by boto's method names and never see an SDK exception.
Values that are secret may be passed still wrapped: they are unwrapped here, at
the last moment, and an error of such a call says nothing of the cloud's text,
which may quote them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iaclib.aws.errors import translate
from iaclib.model.values import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Client:
    """Calls to one service of one provider; shared by all threads.

    Args:
        boto: The boto3 client.
        service: Its name, such as ``ec2``.
    """

    def __init__(self, boto: Any, service: str) -> None:
        self._boto = boto
        self.service = service

    def call(self, operation: str, /, **params: Any) -> dict[str, Any]:
        """Call one operation.

        Args:
            operation: The boto method, such as ``create_vpc``.
            **params: The request, with AWS's names. None values are left out.

        Returns:
            The response.

        Raises:
            ProviderError: Or the subclass that says what went wrong.
        """
        request, has_secret = _open({key: value for key, value in params.items() if value is not None})
        try:
            response: dict[str, Any] = getattr(self._boto, operation)(**request)
        except Exception as error:  # noqa: BLE001 - everything the SDK raises is translated
            raise translate(error, self.service, operation, secret=has_secret) from None
        return response

    def items(self, operation: str, result_key: str, /, **params: Any) -> Iterator[Any]:
        """List what an operation returns, over all pages.

        Args:
            operation: The boto method, such as ``describe_vpcs``.
            result_key: Where a page has its items: a key, or a JMESPath such
                as ``Reservations[].Instances[]``.
            **params: The request. None values are left out.
        """
        import jmespath  # type: ignore[import-untyped]

        path = jmespath.compile(result_key)
        if not self._boto.can_paginate(operation):
            yield from path.search(self.call(operation, **params)) or ()
            return
        request, has_secret = _open({key: value for key, value in params.items() if value is not None})
        pages = iter(self._boto.get_paginator(operation).paginate(**request))
        while True:
            try:
                page: Mapping[str, Any] | None = next(pages, None)
            except Exception as error:  # noqa: BLE001 - everything the SDK raises is translated
                raise translate(error, self.service, operation, secret=has_secret) from None
            if page is None:
                return
            yield from path.search(page) or ()


def _open(value: Any) -> tuple[Any, bool]:
    """Unwrap secrets at any depth, and say whether there were any."""
    if isinstance(value, Secret):
        return _open(value.reveal())[0], True
    if isinstance(value, dict):
        opened = {key: _open(item) for key, item in value.items()}
        return {key: item for key, (item, _) in opened.items()}, any(secret for _, secret in opened.values())
    if isinstance(value, (list, tuple)):
        parts = [_open(item) for item in value]
        return [item for item, _ in parts], any(secret for _, secret in parts)
    return value, False
