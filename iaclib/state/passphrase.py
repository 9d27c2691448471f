"""A keyring whose key is derived from a passphrase.

Knows how a passphrase becomes a key; knows nothing of secrets in records.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import threading
from typing import TYPE_CHECKING, Any, Final, Self

from iaclib.errors import ConfigError, SealError
from iaclib.state.wrapping import KEY_BYTES, altered, check_kind, fingerprint, unwrap_with, wrap_with

if TYPE_CHECKING:
    from collections.abc import Mapping

_SCHEME: Final = "passphrase:env:"
_SALT_BYTES: Final = 16
_COST: Final = (2**17, 8, 1)  # scrypt's N, r and p: 128 MiB and a third of a second, as OWASP advises
_MOST: Final = (2**20, 32, 16)  # what state may ask for: whoever writes it must not be able to stall a reader


class Passphrase:
    """A keyring by a passphrase, through scrypt.

    Deriving a key takes a third of a second, once for each salt and object:
    the salt is drawn with the first key that is wrapped, and stands beside it.

    Args:
        passphrase: The passphrase itself.
        source: Where it comes from, for messages; stands beside wrapped keys.
    """

    name: Final = "passphrase"

    def __init__(self, passphrase: str, *, source: str = "given in the program") -> None:
        if not passphrase:
            raise SealError(f"{source}: the passphrase is empty, expected a long one; set it")
        self.source = source
        self._passphrase = passphrase.encode()
        self._lock = threading.Lock()
        self._salt: bytes | None = None
        self._derived: dict[tuple[bytes, int, int, int], bytes] = {}

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Make one from ``passphrase:env:NAME``: the passphrase is in an environment variable.

        Raises:
            ConfigError: The text is not of that form.
            SealError: The variable is not set.
        """
        variable = text.removeprefix(_SCHEME)
        if variable == text or not variable:
            # the text is not shown: somebody may have put the passphrase itself there
            msg = "keyring 'passphrase:…': expected passphrase:env:NAME with the name of an environment variable; correct keyring="
            raise ConfigError(msg)
        found = os.environ.get(variable)
        if not found:
            msg = f"keyring passphrase: the environment variable {variable} is not set, expected the passphrase in it; set it"
            raise SealError(msg, variable=variable)
        return cls(found, source=f"env:{variable}")

    def __repr__(self) -> str:
        return f"Passphrase({self.source!r})"

    def wrap(self, key: bytes, context: str, stack: str = "") -> Mapping[str, Any]:
        """Encrypt a data key; see ``Keyring.wrap``."""
        with self._lock:
            if self._salt is None:
                self._salt = os.urandom(_SALT_BYTES)
            wrapping = self._derive(self._salt, *_COST)
        cost = {"salt": base64.b64encode(self._salt).decode(), "cost": list(_COST), "source": self.source}
        return {**wrap_with(self.name, wrapping, key, context), **cost}

    def unwrap(self, wrapped: Mapping[str, Any], context: str) -> bytes:
        """Decrypt a data key; see ``Keyring.unwrap``."""
        where = f"passphrase {self.source}"
        check_kind(where, self.name, wrapped)
        try:
            salt = base64.b64decode(wrapped["salt"], validate=True)
            n, r, p = wrapped["cost"]
            if not all(type(one) is int and 0 < one <= most for one, most in zip((n, r, p), _MOST, strict=True)):
                raise altered(where)
            with self._lock:
                wrapping = self._derive(salt, n, r, p)
        except (binascii.Error, KeyError, TypeError, ValueError):
            raise altered(where) from None
        if wrapped.get("id") != fingerprint(wrapping):
            msg = (
                f"{where}: another passphrase than the one that this state's secrets were sealed with, expected the "
                f"one from {wrapped.get('source')} with id {wrapped.get('id')}; set that one, or name its keyring "
                "beside the new one: keyring=[new, old]"
            )
            raise SealError(msg)
        return unwrap_with(where, self.name, wrapping, wrapped, context)

    def _derive(self, salt: bytes, n: int, r: int, p: int) -> bytes:
        known = self._derived.get((salt, n, r, p))
        if known is None:
            memory = 128 * r * (n + p + 2) + 2**20
            known = hashlib.scrypt(self._passphrase, salt=salt, n=n, r=r, p=p, maxmem=memory, dklen=KEY_BYTES)
            self._derived[salt, n, r, p] = known
        return known
