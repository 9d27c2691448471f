"""Whether an object is reached through another account or region than before: rule 11."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

if TYPE_CHECKING:
    from iaclib.state.record import ProviderRecord

    Comparison = tuple[bool, ProviderRecord | None, bool]


class Identities:
    """Compares recorded providers with those in force; each pair once."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int, bool], Comparison] = {}

    def compare(self, old: ProviderRecord | None, new: ProviderRecord | None, *, is_global: bool) -> Comparison:
        """Tell whether account or region change, which record to keep, and whether it is another."""
        if old is new:
            return False, old, False
        key = (id(old), id(new), is_global)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = _compare(old, new, is_global=is_global)
        return found


def describe(provider: ProviderRecord) -> str:
    """Name a provider's account and region."""
    return " ".join(part for part in (provider.name, provider.account, provider.region) if part)


def _compare(
    old: ProviderRecord | None, new: ProviderRecord | None, *, is_global: bool
) -> tuple[bool, ProviderRecord | None, bool]:
    """Compare identities: an unknown one is filled in, and never counts as a move."""
    if old is None or new is None:
        return False, new or old, new is not None
    moved = (
        old.name != new.name
        or bool(old.account and new.account and old.account != new.account)
        or bool(not is_global and old.region and new.region and old.region != new.region)
    )
    if not moved and ((old.account and not new.account) or (old.region and not new.region)):
        new = structs.replace(new, account=new.account or old.account, region=new.region or old.region)
    return moved, new, old != new
