"""Where something was declared before: the addresses that ``aliases`` stand for.

Knows scopes and names; which of the addresses are recorded is for the planner.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from iaclib.errors import AliasError, DeclarationError
from iaclib.model.addresses import check_name
from iaclib.model.tokens import PREFIX

if TYPE_CHECKING:
    from iaclib.declare.options import Options
    from iaclib.model.scope import Scope

_HERE = "./"


def former_addresses(now: Scope, name: str, opts: Options | None, address: str) -> tuple[str, ...]:
    """List the addresses that something declared in a scope may have had before.

    Those of its own aliases come first, then those that it had under the
    former addresses of the components around it.

    Raises:
        AliasError: An alias is no address.
    """
    found: dict[str, None] = {}
    for alias in opts.aliases if opts is not None else ():
        for prefix in (now.prefix, *now.former) if alias.startswith(_HERE) else ("",):
            found[prefix + _checked(alias.removeprefix(_HERE), alias, address)] = None
    for prefix in now.former:
        found[prefix + name] = None
    return tuple(found)


def _checked(path: str, alias: str, address: str) -> str:
    try:
        if PREFIX in path:
            raise DeclarationError
        for part in path.split("/"):
            check_name(part, "logical")
    except DeclarationError:
        shown = "text made of an output" if PREFIX in alias else repr(alias[:80])
        msg = f"{address}: the alias {shown} is no address, expected one such as 'net/vpc', or './vpc' from the component around; correct aliases"
        raise AliasError(msg, address=address) from None
    return path
