"""The one exception tree.

    VmssError
    ├── BadInput            the caller's mistake: answered with HTTP 400 and changes nothing
    │   └── NotPossible     well formed, but this state or this build does not allow it (409)
    ├── Unauthenticated     401: no token, or one that is not taken
    ├── Forbidden           403
    ├── TooManyRequests     429
    ├── NotFound            404
    ├── Conflict            409
    ├── PreconditionFailed  412, a stale ETag
    ├── HostError           a hypervisor said no, or nothing
    │   ├── HostUnreachable     no answer before the deadline: what runs there is unknown, not gone
    │   ├── InsufficientCapacity  memory, vCPU or disk ran out there
    │   └── HostRefused         it answered and will answer the same again
    ├── ImageError          an image is missing, damaged or not allowed
    ├── GuestError          one guest could not be reached or misbehaved
    │   ├── GuestUnreachable    no answer before the deadline; worth another try
    │   └── HostKeyMismatch     someone else answers at that address: never worth another try
    ├── StoreUnavailable    the database did not take a write (a full disk, a lock): nothing of it was kept
    └── LabError            the lab could not be made or mended

``code``, ``message`` and ``target`` are those of the Resource Manager error envelope.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ErrorDetail:
    """One of several reasons in one answer: every offending property is named at once."""

    code: str
    message: str
    target: str | None = None


class VmssError(Exception):
    """Something went wrong that can be said in one sentence."""

    code = "InternalExecutionError"
    is_retryable = False

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        target: str | None = None,
        details: Sequence[ErrorDetail] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.target = target
        self.details = tuple(details)


class BadInput(VmssError):
    code = "InvalidParameter"


class NotPossible(BadInput):
    code = "OperationNotAllowed"


class Unauthenticated(VmssError):
    """``is_cured_by_login``: a fresh token may be taken where the one that came was not."""

    code = "AuthenticationFailed"

    def __init__(self, message: str, *, code: str | None = None, is_cured_by_login: bool = False) -> None:
        super().__init__(message, code=code)
        self.is_cured_by_login = is_cured_by_login


class Forbidden(VmssError):
    code = "AuthorizationFailed"


class TooManyRequests(VmssError):
    code = "TooManyRequests"
    is_retryable = True

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class NotFound(VmssError):
    code = "ResourceNotFound"


class Conflict(VmssError):
    code = "Conflict"


class PreconditionFailed(VmssError):
    code = "PreconditionFailed"


class HostError(VmssError):
    code = "HostError"


class HostUnreachable(HostError):
    code = "HostUnreachable"
    is_retryable = True


class InsufficientCapacity(HostError):
    code = "AllocationFailed"
    is_retryable = True


class HostRefused(HostError):
    code = "HostRefused"


class ImageError(VmssError):
    code = "ImageNotFound"


class GuestError(VmssError):
    code = "GuestError"


class GuestUnreachable(GuestError):
    code = "GuestUnreachable"
    is_retryable = True


class HostKeyMismatch(GuestError):
    code = "HostKeyMismatch"


class BalancerError(VmssError):
    """The balancer could not be told, or did not answer. What it did before it goes on doing."""

    code = "BalancerUnavailable"
    is_retryable = True


class StoreUnavailable(VmssError):
    code = "StoreUnavailable"
    is_retryable = True


class LabError(VmssError):
    code = "LabError"
