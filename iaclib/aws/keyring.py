"""A keyring whose key is in AWS KMS; it never leaves the service.

A data key is encrypted and decrypted with an encryption context of the stack's
lineage and name, which KMS authenticates, logs, and lets policies restrict.

Source: https://docs.aws.amazon.com/kms/latest/developerguide/encrypt_context.html
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any, Final, Self

from iaclib.aws.provider import Provider
from iaclib.errors import ConfigError, ProviderError, SealError
from iaclib.state.wrapping import altered, another_key, check_kind, decoded

if TYPE_CHECKING:
    from collections.abc import Mapping

_SCHEME: Final = "awskms:"
_ARN: Final = re.compile(r"arn:[^:]+:kms:([^:]+):(\d{12}):(key|alias)/.+")


class AwsKms:
    """A keyring by a key of AWS KMS.

    Args:
        arn: The key's ARN, or that of an alias of it.
        provider: Through what it is reached; default: the SDK's own
            credentials, in the ARN's region.
    """

    name: Final = "awskms"

    def __init__(self, arn: str, *, provider: Provider | None = None) -> None:
        found = _ARN.fullmatch(arn)
        if found is None:
            msg = f"keyring awskms: {arn!r} is no ARN of a KMS key or alias, expected arn:aws:kms:REGION:ACCOUNT:key/ID; correct keyring="
            raise ConfigError(msg)
        self.arn = arn
        self._alias = found[3] == "alias"
        self._provider = provider or Provider(region=found[1])

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Make one from ``awskms:ARN``.

        Raises:
            ConfigError: The text is not of that form.
        """
        return cls(text.removeprefix(_SCHEME))

    def __repr__(self) -> str:
        return f"AwsKms({self.arn!r})"

    def wrap(self, key: bytes, context: str, stack: str = "") -> Mapping[str, Any]:
        """Encrypt a data key; see ``Keyring.wrap``."""
        answer = self._call(
            "encrypt", KeyId=self.arn, Plaintext=key, EncryptionContext=_encryption_context(context, stack)
        )
        data = base64.b64encode(answer["CiphertextBlob"]).decode()
        return {"keyring": self.name, "id": answer["KeyId"], "stack": stack, "data": data}

    def unwrap(self, wrapped: Mapping[str, Any], context: str) -> bytes:
        """Decrypt a data key; see ``Keyring.unwrap``."""
        where = f"awskms:{self.arn}"
        check_kind(where, self.name, wrapped)
        needed, stack = wrapped.get("id"), wrapped.get("stack")
        if not self._alias and needed != self.arn:
            raise another_key(where, needed)
        data = decoded(where, wrapped, "data")
        if not isinstance(stack, str):
            raise altered(where)
        answer = self._call(
            "decrypt", KeyId=self.arn, CiphertextBlob=data, EncryptionContext=_encryption_context(context, stack)
        )
        opened: bytes = answer["Plaintext"]
        return opened

    def _call(self, operation: str, **request: Any) -> dict[str, Any]:
        try:
            return self._provider.client("kms").call(operation, **request)
        except ProviderError as error:
            why = error.message
        msg = (
            f"awskms:{self.arn}: the key can't be used to {operation} the state's key ({why}), expected KMS to answer "
            f"and to allow kms:{operation.capitalize()}; nothing was changed, mend the cause and run again"
        )
        raise SealError(msg, key=self.arn)


def _encryption_context(lineage: str, stack: str) -> dict[str, str]:
    return {"iaclib:lineage": lineage, **({"iaclib:stack": stack} if stack else {})}
