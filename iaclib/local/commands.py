"""The declaration of commands. Knows no handler."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from iaclib import declare as iac

_Argv = Annotated[Sequence[iac.Input[str]], "the program and its arguments, never a shell's line"]


class Command(iac.Resource, type="local:Command", is_global=True, unique=(("delete", "cwd"),)):
    """Programs that make, change and remove something; lists of arguments, never a shell's line.

    ``create`` runs once. A change of ``create``, ``environment``, ``stdin`` or
    ``cwd`` runs ``update``; without an ``update`` it replaces. A change in
    ``triggers`` always replaces, a change of ``delete`` or ``read`` alone runs
    nothing. A replacement runs ``delete`` first where that and ``cwd`` stay the
    same, since it would remove the new thing; else ``create`` comes first.

    ``read`` tells whether it exists, by its exit code: 0 yes, 1 no, anything
    else that it can't be told; ``observed`` is what it prints, as JSON where
    it is JSON. With it the engine looks before it creates, finds what a killed
    run left, and sees when something is gone.

    Programs get ``IACLIB_TOKEN``, ``IACLIB_ADDRESS``, ``IACLIB_ACTION`` and,
    once there is one, ``IACLIB_ID`` in their environment. ``update`` and
    ``delete`` may be run again after a kill, so they must bear that. The
    arguments of a program can be seen by everybody on the machine: secrets
    belong in ``environment`` or ``stdin``, and are refused elsewhere. What a
    program prints is kept up to 1 MiB; it is secret where it shows a secret
    that the program was given, or by ``Options(secret_outputs=["stdout"])``.
    """

    create: iac.Input[_Argv] = iac.field(replaces="maybe")
    update: iac.Input[_Argv] | None = iac.field(default=None)
    delete: iac.Input[_Argv] | None = iac.field(default=None)
    read: iac.Input[_Argv] | None = iac.field(default=None)
    environment: iac.Input[Mapping[str, iac.Input[str]]] = iac.field(factory=dict, replaces="maybe")
    cwd: iac.Input[Annotated[str, iac.Range(1, None)]] = iac.field(default=".", replaces="maybe")
    stdin: iac.Input[str] | None = iac.field(default=None, replaces="maybe")
    triggers: iac.Input[Mapping[str, Any]] = iac.field(factory=dict, replaces=True)
    stdout: iac.Output[str] = iac.computed()
    stderr: iac.Output[str] = iac.computed()
    exit_code: iac.Output[int] = iac.computed()
    observed: iac.Output[Any] = iac.computed()
