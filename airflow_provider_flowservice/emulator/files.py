"""Files that the emulator writes for itself: complete or not at all, and for its own user alone."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_private(path: Path, content: bytes) -> None:
    """Write a file with mode 0600. Whoever reads it meanwhile, finds what it had before.

    :raises OSError: if it cannot be written.
    """
    # A temporary file has that mode from its beginning.
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
