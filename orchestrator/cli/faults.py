"""What can go wrong at the command line, and the exit code of each.

The codes are a promise to scripts: they are listed in ``vmss --help`` and never change their meaning.
"""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.errors import BadInput, ErrorDetail, NotFound, NotPossible, VmssError

EXIT_OK = 0
EXIT_ERROR = 1
EXIT_USAGE = 2
EXIT_NOT_FOUND = 3
EXIT_TIMEOUT = 4
EXIT_UNREACHABLE = 5
EXIT_INTERRUPTED = 130

EXIT_CODES: dict[int, str] = {
    EXIT_OK: "done",
    EXIT_ERROR: "the daemon refused, or the operation failed",
    EXIT_USAGE: "the command line was wrong; nothing was sent",
    EXIT_NOT_FOUND: "no such scale set, instance, host or image",
    EXIT_TIMEOUT: "it did not come true in time; it may still do so",
    EXIT_UNREACHABLE: "the daemon does not answer",
    EXIT_INTERRUPTED: "Ctrl-C; what was begun goes on",
}


class ApiError(VmssError):
    """The daemon's own error answer. ``http_status`` is 0 for an operation that failed later on."""

    def __init__(
        self,
        message: str,
        *,
        code: str,
        http_status: int = 0,
        target: str | None = None,
        details: Sequence[ErrorDetail] = (),
    ) -> None:
        super().__init__(message, code=code, target=target, details=details)
        self.http_status = http_status


class DaemonUnreachable(VmssError):
    code = "DaemonUnreachable"


class WaitTimedOut(VmssError):
    code = "WaitTimedOut"


class Interrupted(VmssError):
    """Ctrl-C during a wait. ``message`` says where to look at what goes on without us."""

    code = "Interrupted"


def exit_code(error: VmssError) -> int:
    """The process's exit code for an error that reached the top."""
    if isinstance(error, NotFound) or (isinstance(error, ApiError) and error.http_status == 404):
        return EXIT_NOT_FOUND
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code
    return EXIT_ERROR


_CODES: tuple[tuple[type[VmssError], int], ...] = (
    (NotPossible, EXIT_ERROR),  # the words were right; this machine or state does not allow it
    (BadInput, EXIT_USAGE),
    (WaitTimedOut, EXIT_TIMEOUT),
    (DaemonUnreachable, EXIT_UNREACHABLE),
    (Interrupted, EXIT_INTERRUPTED),
)
