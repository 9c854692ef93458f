"""Files that a task writes: where they are, and how one is replaced as a whole."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from airflow_provider_flowservice.client.errors import InvalidInputError

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

OWNER_ONLY = 0o600
#: Protocols of files of the worker.
_LOCAL = frozenset({"", "file", "local"})


def replacing(field: str, path: ObjectStoragePath) -> AbstractContextManager[IO[bytes]]:
    """Return a file for the new content of a path. At the end of the block it replaces the old one, unless it raises.

    Only its owner may read a file of the worker.

    :param field: name of the argument with the path, for the error.
    :raises InvalidInputError: if something else than a file is there.
    """
    return _replacing_local(field, Path(target_of(path))) if is_local(path) else _replacing_stored(path)


@contextmanager
def _replacing_local(field: str, target: Path) -> Iterator[IO[bytes]]:
    check_is_file(field, target)
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_name(f"{target.name}.{uuid.uuid4().hex[:12]}.new")
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        new.replace(target)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)


@contextmanager
def _replacing_stored(path: ObjectStoragePath) -> Iterator[IO[bytes]]:
    # A store takes what was written until an error for the whole object.
    with tempfile.TemporaryFile() as file:
        yield file
        file.seek(0)
        with path.fs.open(target_of(path), "wb") as target:
            shutil.copyfileobj(file, target)


def check_is_file(field: str, target: Path) -> None:
    """Reject the path of something else than a file, such as a directory.

    :param field: name of the argument with the path, for the error.
    """
    if target.exists() and not target.is_file():
        problem = f"{str(target)!r} is not a regular file"
        raise InvalidInputError(field, problem, "Give the path of a file.")


def target_of(path: ObjectStoragePath) -> str:
    """Return the path of the file to write: not that of a link, which would be replaced instead of the file."""
    return os.path.realpath(path.path) if is_local(path) else path.path.rstrip("/")


def is_local(path: ObjectStoragePath) -> bool:
    """Whether a path leads to a file of the worker."""
    return path.protocol in _LOCAL


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
