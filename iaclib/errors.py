"""The error tree: every exception that iaclib raises on purpose.

    IaclibError
    ├── UnknownValueError          a value was asked for that is not known yet
    ├── DeclarationError           the program declares something wrong
    │   ├── DuplicateAddressError
    │   ├── AliasError
    │   ├── DependencyCycleError
    │   ├── InvalidPropertyError   (also a ValueError)
    │   └── ConfigError
    ├── PlanError                  the change cannot or must not be made
    │   ├── ProtectedResourceError
    │   ├── StalePlanError
    │   ├── UnknownProviderError
    │   ├── PolicyViolationError
    │   └── TargetError
    ├── ApplyError                 something went wrong while changing the cloud
    │   ├── OperationError         one step failed: urn, action, cause
    │   ├── ApplyFailed            a run failed (an ExceptionGroup with .run)
    │   ├── ApplyCancelled
    │   ├── PlanDeviationError
    │   └── UndecidedError
    ├── StateError
    │   ├── StateCorruptError
    │   ├── StateVersionError
    │   ├── StateConflictError
    │   ├── LeaseHeldError         names the holder
    │   ├── LeaseLostError
    │   └── SealError
    ├── ProviderError              raised by handlers
    │   ├── PartialFailure         something exists, but the operation failed
    │   ├── CredentialsError
    │   ├── NotFoundError
    │   ├── NotReadyError          (retryable)
    │   ├── ConflictError
    │   ├── DependencyViolationError (retryable on delete)
    │   ├── ThrottledError         (retryable)
    │   ├── QuotaError
    │   ├── InvalidRequestError
    │   └── OperationTimeoutError
    ├── PackError                  the facts of a cloud's types can't be read
    └── GitOpsError
        ├── SourceError
        ├── VerificationError
        └── BlockedError

Every constructor takes one message, then facts as keywords; facts are
attributes. Errors survive pickling (executors send them between processes).
Messages read ``<address or path>: <what is wrong>, <what was expected>; <what
to do>`` and never hold a secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    from collections.abc import Sequence


def _rebuild(cls: type[IaclibError], message: str, facts: dict[str, Any]) -> IaclibError:
    return cls(message, **facts)


class IaclibError(Exception):
    """The root of all errors raised by iaclib.

    Args:
        message: What is wrong, what was expected, what to do.
        **facts: What the message speaks of, for programs; each becomes an
            attribute. ``retryable`` overrides the class's default.
    """

    retryable: ClassVar[bool] = False
    """Whether trying the same operation again can help."""

    def __init__(self, message: str = "", **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        self.facts = facts
        self.__dict__.update(facts)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.message, self.facts)


class UnknownValueError(IaclibError):
    """A value was asked for that is known only after an apply."""


class DeclarationError(IaclibError):
    """The program declares something that makes no sense."""


class DuplicateAddressError(DeclarationError):
    """Two things were declared at one address."""


class AliasError(DeclarationError):
    """An alias is ambiguous or names something that is declared too."""


class DependencyCycleError(DeclarationError):
    """Resources depend on each other in a circle."""


class InvalidPropertyError(DeclarationError, ValueError):
    """A property has a value that its type does not allow."""


class ConfigError(DeclarationError):
    """A configuration key is missing, unknown or of the wrong type."""


class PlanError(IaclibError):
    """The change cannot be planned."""


class ProtectedResourceError(PlanError):
    """A protected resource would be deleted or replaced."""


class StalePlanError(PlanError):
    """What a plan was made from has changed since."""


class UnknownProviderError(PlanError):
    """A type or provider in state or program is not known here."""


class PolicyViolationError(PlanError):
    """A mandatory policy forbids the plan. Fact: ``violations``."""

    violations: Any = ()


class TargetError(PlanError):
    """The chosen targets cannot be operated on alone."""


class ApplyError(IaclibError):
    """Something went wrong while changing the cloud."""

    run: Any = None
    """The run so far, where there is one."""


class OperationError(ApplyError):
    """One step failed.

    Facts: ``urn``, ``action`` and ``cause`` (a redacted copy of the error).
    """

    urn: str
    action: str
    cause: BaseException | None


class ApplyFailed(ApplyError, ExceptionGroup[Exception]):
    """A run in which at least one step failed; ``exceptions`` has them all."""

    def __new__(cls, message: str, exceptions: Sequence[Exception], **facts: Any) -> Self:  # noqa: D102 - as __init__
        self = ExceptionGroup.__new__(cls, message, exceptions)
        self.__dict__.update(facts)
        return self

    def __init__(self, message: str, exceptions: Sequence[Exception], **facts: Any) -> None:
        ExceptionGroup.__init__(self, message, exceptions)
        self.facts = facts

    def __str__(self) -> str:
        lines = [self.message, *(f"  {error}" for error in self.exceptions)]
        return "\n".join(lines)

    def derive(self, excs: Sequence[Exception]) -> Self:  # type: ignore[override]  # narrower on purpose
        """Keep the type and the facts when ``except*`` splits the group."""
        return type(self)(self.message, excs, **self.facts)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_group, (type(self), self.message, list(self.exceptions), self.facts)


def _rebuild_group(cls: type[ApplyFailed], message: str, excs: list[Exception], facts: dict[str, Any]) -> ApplyFailed:
    return cls(message, excs, **facts)


class ApplyCancelled(ApplyError):
    """A run was stopped by a signal or by ``engine.cancel()``."""


class PlanDeviationError(ApplyError):
    """A step would have done more than the plan said; it was not called."""


class UndecidedError(ApplyError):
    """An interrupted operation could not be decided, or has to be first."""


class StateError(IaclibError):
    """State cannot be read or written."""


class StateCorruptError(StateError):
    """State does not hold together; it is never operated on."""


class StateVersionError(StateError):
    """State was written by a newer iaclib."""


class StateConflictError(StateError):
    """Somebody else wrote the state in between."""


class LeaseHeldError(StateError):
    """Another run holds the stack. Fact: ``holder``."""

    holder: Any = None


class LeaseLostError(StateError):
    """The lease ran out or was taken over; no further calls are made."""

    run: Any = None


class SealError(StateError):
    """A secret cannot be sealed or opened."""


class ProviderError(IaclibError):
    """A cloud, or a handler, refused or failed an operation."""


class PartialFailure(ProviderError):
    """Something exists although the operation failed.

    Args:
        live: What exists (a ``Live``), with its id.
        cause: Why the operation failed.
        repairable: Whether an update can finish it; otherwise it is replaced.
    """

    def __init__(self, live: Any, cause: BaseException | str, *, repairable: bool = False) -> None:
        super().__init__(str(cause))
        self.live = live
        self.cause = cause
        self.repairable = repairable

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_partial, (self.live, self.cause, self.repairable)


def _rebuild_partial(live: Any, cause: BaseException | str, repairable: bool) -> PartialFailure:
    return PartialFailure(live, cause, repairable=repairable)


class CredentialsError(ProviderError):
    """Credentials are missing, expired, or belong to another account."""


class NotFoundError(ProviderError):
    """The object, or something that it needs, does not exist."""


class NotReadyError(ProviderError):
    """The object exists but cannot be used yet."""

    retryable = True


class ConflictError(ProviderError):
    """An object with this identity exists. Fact: ``existing_id``, if known."""

    existing_id: str | None = None


class DependencyViolationError(ProviderError):
    """Something still uses the object. Retried on deletes."""


class ThrottledError(ProviderError):
    """Too many calls. Fact: ``retry_after`` in seconds, if the cloud said so."""

    retryable = True
    retry_after: float | None = None


class QuotaError(ProviderError):
    """A limit of the account is reached."""


class InvalidRequestError(ProviderError):
    """The cloud found the request wrong."""


class OperationTimeoutError(ProviderError):
    """The operation did not end in time."""


class PackError(IaclibError):
    """A pack, which holds the facts of a cloud's types, can't be read."""


class GitOpsError(IaclibError):
    """A GitOps source, check or guard failed."""


class SourceError(GitOpsError):
    """A source could not be fetched."""


class VerificationError(GitOpsError):
    """A revision could not be verified."""


class BlockedError(GitOpsError):
    """A guard blocks the change."""
