"""The file of dead letters. Until the end of the task, its letters are in parts beside it, one for each attempt."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import posixpath
import shutil
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from airflow_provider_flowservice.client.model import Frozen
from airflow_provider_flowservice.operators.output_files import (
    OWNER_ONLY,
    check_is_file,
    is_local,
    sync_folder,
    target_of,
)

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath

log = logging.getLogger(__name__)

_COPIED_AT_ONCE = 1000


class Part(Frozen, frozen=True):
    """The letters of an attempt, for the note to the next one.

    :param name: its name beside the file of dead letters.
    :param files: number of files that it consists of.
    """

    name: str
    files: int


def _parts_of(context: Context) -> str:
    """Return the end of the name of the folder that has the parts of a task, apart from those of other tasks."""
    ti = context.get("ti")
    names = [str(getattr(ti, name, "")) for name in ("dag_id", "run_id", "task_id", "map_index")]
    return f".parts-{hashlib.sha256(repr(names).encode()).hexdigest()[:12]}"


class NoteFile:
    """What a task keeps for its next attempt where Airflow keeps nothing: a file beside the parts of the letters.

    It goes with them when the task is done or has failed for good.

    :param path: the file of dead letters.
    :param context: the task's context.
    """

    def __init__(self, path: ObjectStoragePath, context: Context) -> None:
        self._fs = path.fs
        self._is_local = is_local(path)
        self._folder = target_of(path) + _parts_of(context)
        self._path = f"{self._folder}/note.json"

    def get(self, key: str) -> Any:
        """Return what was set, or None."""
        self._fs.invalidate_cache()
        if not self._fs.exists(self._path):
            return None
        with self._fs.open(self._path, "rb") as file:
            return json.loads(file.read()).get(key)

    def set(self, key: str, value: Any) -> None:
        """Replace what is kept."""
        content = json.dumps({key: value}).encode()
        self._fs.makedirs(self._folder, exist_ok=True)
        # An object in a store is replaced as a whole. A file of the worker must not be half of a note.
        written = f"{self._path}.new" if self._is_local else self._path
        with self._fs.open(written, "wb") as file:
            file.write(content)
        if self._is_local:
            Path(written).replace(self._path)

    def delete(self, key: str) -> None:
        """Remove what is kept."""
        with suppress(FileNotFoundError):
            self._fs.rm(self._path)


class LetterFile(ABC):
    """The file of dead letters, as one attempt writes it.

    The letters of settled records must survive the attempt, so they are written before their records are noted as
    settled. How many of these were not accepted says how many letters of the part count. When the task is done, or has
    failed for good, the part replaces the file: a run that fails at once leaves the letters of the run before.

    :param context: the task's context. The parts of a task are apart from those of others that write the same file.
    :param earlier: the part of the attempt before, if any.
    :param count: number of its letters that count.
    """

    def __init__(self, context: Context, earlier: Part | None, count: int) -> None:
        self._suffix = _parts_of(context)
        self._name = f"{getattr(context.get('ti'), 'try_number', 0)}-{uuid.uuid4().hex[:12]}"
        self._earlier, self._earlier_count = earlier, count
        self._is_open = False
        self._count = 0

    @property
    @abstractmethod
    def part(self) -> Part:
        """The part of this attempt."""

    def open(self, count: int) -> None:
        """Create the part of this attempt, with the letters of earlier ones.

        :param count: number of these letters that count, if they are fewer than before.
        """
        self._create()
        self._is_open = True
        if self._earlier is not None:
            with self._opened(self._earlier) as lines:
                while batch := list(islice(lines, min(count - self._count, _COPIED_AT_ONCE))):
                    self.write(batch)
        if self._count < count:
            log.warning("%d dead letters of an earlier attempt are not there anymore", count - self._count)

    def write(self, letters: Sequence[bytes]) -> None:
        """Append letters to the part. They are durable afterwards. After an error, the call can be repeated."""
        self._append(b"".join(letters))
        self._count += len(letters)

    def finish(self, *, failed: bool) -> None:
        """Replace the file by the part, unless the task has failed without any letter, and remove all parts."""
        if not self._is_open:
            if self._earlier is None:
                return
            self.open(self._earlier_count)
        if self._count or not failed:
            self._publish()
        self._remove_parts()

    @abstractmethod
    def close(self) -> None:
        """Release what this process holds; the part stays."""

    @abstractmethod
    def _create(self) -> None:
        """Create an empty part, so that a location that cannot be written to fails before anything is sent."""

    @abstractmethod
    def _append(self, content: bytes) -> None: ...

    @abstractmethod
    def _opened(self, part: Part) -> AbstractContextManager[Iterator[bytes]]:
        """Return the lines of a part or, if it is not there anymore, of the file that it has become."""

    @abstractmethod
    def _publish(self) -> None: ...

    @abstractmethod
    def _remove_parts(self) -> None: ...


class _LocalLetterFile(LetterFile):
    """A file of the worker. A part is one file, which only its owner may read."""

    def __init__(self, path: str, context: Context, earlier: Part | None, count: int) -> None:
        super().__init__(context, earlier, count)
        self._target = Path(path)
        self._folder = self._target.with_name(self._target.name + self._suffix)
        self._held = ExitStack()
        self._file: IO[bytes]
        self._size = 0

    @property
    def part(self) -> Part:
        return Part(self._name, 1)

    def close(self) -> None:
        self._held.close()

    def _create(self) -> None:
        check_is_file("dead_letter_path", self._target)
        self._target.parent.mkdir(parents=True, exist_ok=True)
        self._folder.mkdir(mode=0o700, exist_ok=True)
        file = os.open(self._folder / self._name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
        self._file = self._held.enter_context(os.fdopen(file, "wb"))
        sync_folder(self._folder)
        sync_folder(self._folder.parent)

    def _append(self, content: bytes) -> None:
        # A call that was interrupted may have written something, and is repeated.
        self._file.seek(self._size)
        self._file.write(content)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._size += len(content)

    @contextmanager
    def _opened(self, part: Part) -> Iterator[Iterator[bytes]]:
        for path in (self._folder / part.name, self._target):
            with suppress(FileNotFoundError):
                file = path.open("rb")
                break
        else:
            yield iter(())
            return
        with file:
            yield file

    def _publish(self) -> None:
        (self._folder / self._name).replace(self._target)
        sync_folder(self._target.parent)

    def _remove_parts(self) -> None:
        shutil.rmtree(self._folder)


class _StoredLetterFile(LetterFile):
    """An object in a store, which cannot append. A part is one object for each time that letters were written."""

    def __init__(self, path: ObjectStoragePath, context: Context, earlier: Part | None, count: int) -> None:
        super().__init__(context, earlier, count)
        self._fs = path.fs
        self._target = target_of(path)
        self._folder = self._target + self._suffix
        self._files = 0

    @property
    def part(self) -> Part:
        return Part(self._name, self._files)

    def close(self) -> None:
        pass

    def _create(self) -> None:
        self._fs.makedirs(self._folder, exist_ok=True)
        self._append(b"")

    def _append(self, content: bytes) -> None:
        with self._fs.open(self._object(self._name, self._files), "wb") as file:
            file.write(content)
        self._files += 1

    def _object(self, name: str, number: int) -> str:
        return f"{self._folder}/{name}.{number:06}"

    @contextmanager
    def _opened(self, part: Part) -> Iterator[Iterator[bytes]]:
        yield self._lines(part)

    def _lines(self, part: Part) -> Iterator[bytes]:
        names = [self._object(part.name, number) for number in range(part.files)]
        # Parts are removed after the file is complete.
        if not all(map(self._fs.exists, names)):
            names = [self._target] if self._fs.exists(self._target) else []
        for name in names:
            with self._fs.open(name, "rb") as file:
                yield from file

    def _publish(self) -> None:
        with self._fs.open(self._target, "wb") as file:
            for number in range(self._files):
                with self._fs.open(self._object(self._name, number), "rb") as part:
                    shutil.copyfileobj(part, file)

    def _remove_parts(self) -> None:
        self._fs.invalidate_cache()
        self._fs.rm(self._folder, recursive=True)


def letter_file(path: ObjectStoragePath, context: Context, earlier: Part | None, count: int) -> LetterFile:
    """Return the file of dead letters at a path; for the arguments see :class:`LetterFile`."""
    if is_local(path):
        return _LocalLetterFile(target_of(path), context, earlier, count)
    return _StoredLetterFile(path, context, earlier, count)


def is_same_file(one: ObjectStoragePath, other: ObjectStoragePath) -> bool:
    """Whether two paths refer to the same file, however they are spelled.

    In a store, this does not depend on the connection: two of them can lead to the same object.
    """
    if is_local(one) and is_local(other):
        if os.path.realpath(one.path) == os.path.realpath(other.path):
            return True
        with suppress(OSError):
            return Path(one.path).samefile(other.path)
        return False
    protocols = [
        {path.fs.protocol} if isinstance(path.fs.protocol, str) else {*path.fs.protocol}
        for path in (one, other)
    ]
    locations = [posixpath.normpath(path.fs._strip_protocol(path.path)) for path in (one, other)]
    return bool(protocols[0] & protocols[1]) and locations[0] == locations[1]
