"""What to tell the user about an error that is not the program's fault."""

from __future__ import annotations

import errno
from pathlib import Path

from unmask.errors import UnmaskError

FULL = "The disk is full"
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)


def explain(error: BaseException, folder: Path) -> str | None:
    """A sentence or two about `error`; None about one that is the program's own fault.

    Args:
        folder: where the program was writing, for errors that do not say.
    """
    if isinstance(error, UnmaskError):
        return str(error)
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return f"{FULL} ({error.filename or folder}). Make room."
    if isinstance(error, OSError) and error.errno in NOT_ALLOWED:
        return f"{error.filename or folder} may not be written or read ({error.strerror}). Change that, or use another."
    return None
