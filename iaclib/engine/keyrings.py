"""From what ``Engine(keyring=...)`` takes to the one keyring that is used.

Knows names and lists of keyrings; knows nothing of how one of them wraps.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from iaclib.errors import ConfigError, SealError
from iaclib.provider.registry import load_named
from iaclib.state.seal import Keyring

if TYPE_CHECKING:
    from collections.abc import Mapping

    from iaclib.state.backend import Backend

_VARIABLE: Final = "IACLIB_PASSPHRASE"


class Keys:
    """Several keyrings as one: the first wraps, any of them unwraps.

    Args:
        rings: At least one.
    """

    def __init__(self, rings: Sequence[Keyring]) -> None:
        self._rings = tuple(rings)
        self.name = self._rings[0].name

    def __repr__(self) -> str:
        return f"Keys({', '.join(map(repr, self._rings))})"

    def wrap(self, key: bytes, context: str, stack: str = "") -> Mapping[str, Any]:
        """Encrypt a data key with the first keyring; see ``Keyring.wrap``."""
        return self._rings[0].wrap(key, context, stack)

    def unwrap(self, wrapped: Mapping[str, Any], context: str) -> bytes:
        """Decrypt a data key with the keyring that has its key; see ``Keyring.unwrap``."""
        refusals: list[SealError] = []
        for ring in self._rings:
            if ring.name != wrapped.get("keyring"):
                continue
            try:
                return ring.unwrap(wrapped, context)
            except SealError as error:
                refusals.append(error)
        if len(refusals) == 1:
            raise refusals[0]
        if refusals:
            raise SealError("; or ".join(error.message for error in refusals))
        have = ", ".join(dict.fromkeys(ring.name for ring in self._rings))
        msg = (
            f"state: its key was wrapped by a keyring of kind {wrapped.get('keyring')!r} (key {wrapped.get('id')}), "
            f"expected that one, there is {have}; pass it, as keyring=[new, old] where another one is to take its place"
        )
        raise SealError(msg)


def open_keyring(given: Any, backend: Backend) -> Keyring | None:
    """Give the keyring that an engine uses, or None if there is none.

    Args:
        given: A text such as ``file:PATH``, a keyring, or a list of these of
            which the first writes; None takes the passphrase in
            ``IACLIB_PASSPHRASE`` if there is one, beside what the backend has
            of its own.
        backend: Where state is kept.

    Raises:
        ConfigError: A text names no keyring.
        SealError: A key is missing that can be told to be beforehand.
    """
    if given is not None:
        several = [given] if isinstance(given, str | Keyring) or not isinstance(given, Sequence) else list(given)
        rings = [_one(item) for item in several]
        if not rings:
            msg = "keyring=[]: no keyring, expected at least one; leave it out for the state's own key"
            raise ConfigError(msg)
        return rings[0] if len(rings) == 1 else Keys(rings)
    make = getattr(backend, "default_keyring", None)
    default: Keyring | None = make() if make is not None else None
    if not os.environ.get(_VARIABLE) or (default is not None and default.name == "ephemeral"):
        return default
    passphrase = _one(f"passphrase:env:{_VARIABLE}")
    return passphrase if default is None else Keys([passphrase, default])


def _one(given: Any) -> Keyring:
    if not isinstance(given, str):
        if isinstance(given, Keyring):
            return given
        msg = (
            f"keyring: {type(given).__name__} is no keyring, expected a text such as 'file:PATH' or an object with "
            "name, wrap and unwrap; correct keyring="
        )
        raise ConfigError(msg)
    name = given.partition(":")[0]
    make = load_named("iaclib.keyrings", name)
    if make is None:
        what = repr(name) if ":" in given else "a text without a colon"  # which may be a secret
        msg = (
            f"keyring: there is none named {what}, expected passphrase:env:NAME, file:PATH, awskms:ARN, gcpkms:NAME "
            "or azkv:URL; correct keyring="
        )
        raise ConfigError(msg)
    return make(given)  # type: ignore[no-any-return]
