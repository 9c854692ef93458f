"""The input of a post: files, or records in memory."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, suppress
from functools import partial
from glob import has_magic
from typing import IO, TYPE_CHECKING, Any

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.model import Frozen
from airflow_provider_flowservice.client.streaming import (
    CsvOptions,
    DeadLetters,
    Failure,
    FileFormat,
    UnreadableRecord,
    begins_with_dead_letter,
    count_of,
    file_format,
    from_file,
    from_messages,
    from_range,
    lines_of_letters,
    unwrapped,
)

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_flowservice.client.streaming import RecordBlock, Records

    Parts = Generator[RecordBlock | UnreadableRecord, None, None]

log = logging.getLogger(__name__)

_REMEDY = "Check the path and storage_conn_id."


class _File(Frozen, frozen=True):
    """A file of an input.

    :param name: its name in messages.
    :param open: opens it in binary mode.
    :param form: its format; None for dead letters whose name does not say it.
    :param size: number of bytes; None if it is not known.
    :param source: its name in messages about single records, if the input can have several files.
    """

    name: str
    open: Callable[[], IO[bytes]]
    form: FileFormat | None
    size: int | None
    source: str | None = None

    def has_letters(self) -> bool:
        """Whether the file begins with a dead letter."""
        return _has_letters(self.open)


def _has_letters(open_file: Callable[[], IO[bytes]]) -> bool:
    with open_file() as file:
        return begins_with_dead_letter(file)


class InputFiles:
    """The file at a path, or the files that match a pattern.

    If there is no file with the path as its name, ``*``, ``?`` and ``[...]`` in it match characters of one folder or
    file name, and ``**`` any number of folders. The files are read one after the other, ordered by their full paths,
    byte by byte. Those that match are passed over if their name, or the name of a folder that the pattern matches,
    begins with a period, or with an underscore and has no equals sign: Spark and Hadoop write them, and read them
    neither. Empty files have no records, whatever their name.

    :param path: the path or pattern.
    :param form: the format of all files, if their names do not say it.
    :param csv_options: how CSV is read.
    :param byte_range: index of a first byte and index after a last one: only the lines that begin there are read. The
        file must be JSON lines, without compression.
    :raises InvalidInputError: if there is no such file, or a file extension is unknown.
    """

    def __init__(
        self,
        path: ObjectStoragePath,
        form: FileFormat | None = None,
        csv_options: CsvOptions | None = None,
        byte_range: tuple[int, int] | None = None,
    ) -> None:
        self._path = path
        self._form = form
        self._csv_options = csv_options or CsvOptions()
        self._byte_range = byte_range
        is_pattern = has_magic(path.path) and not path.is_file()
        self._pattern = str(path.fs._strip_protocol(path.path)) if is_pattern else None
        self._files = [self._single()] if self._pattern is None else list(self._matching(self._pattern))
        self._read_before = 0
        self._open_file: IO[bytes] | None = None

    @property
    def formats(self) -> frozenset[FileFormat]:
        """The formats of the files. Dead letters are not told from others here."""
        return frozenset(file.form for file in self._files if file.form is not None)

    @property
    def size(self) -> int | None:
        """Number of bytes to read; None if it is not known."""
        sizes = [file.size for file in self._files]
        known = [self._in_range(size) for size in sizes if size is not None]
        return sum(known) if len(known) == len(sizes) else None

    @property
    def read_bytes(self) -> int:
        """About how many of these bytes have been read since the input was opened."""
        at = 0
        with suppress(AttributeError, OSError, ValueError):  # Not every file says it.
            at = self._open_file.tell() if self._open_file else 0
        return self._read_before + self._in_range(at)

    def _in_range(self, end: int) -> int:
        """Return how many of the first bytes of a file are to be read."""
        first, last = self._byte_range or (0, end)
        return max(min(end, last) - first, 0)

    def have_rows(self) -> bool:
        """Whether there is CSV, or dead letters, which may stand for rows. The beginnings of files may be read."""
        return FileFormat.CSV in self.formats or any(file.has_letters() for file in self._files)

    def would_match(self, path: ObjectStoragePath) -> bool:
        """Whether a pattern matches a file at another path as soon as it exists; False without a pattern."""
        if self._pattern is None:
            return False
        from fsspec.utils import glob_translate

        other = str(path.fs._strip_protocol(path.path))
        is_same_store = path.fs.protocol == self._path.fs.protocol
        return is_same_store and re.match(glob_translate(self._pattern), other) is not None

    def opened(self) -> AbstractContextManager[Records]:
        """Open the input at its beginning.

        Dead letters are read as the records that they stand for. Files with dead letters and others can be mixed, but
        a file must have only one of them.
        """
        return closing(self._records())

    def _single(self) -> _File:
        path = self._path
        if not path.exists():
            raise InvalidInputError("path", f"{str(path)!r} does not exist", _REMEDY)
        size = None
        with suppress(OSError):
            size = path.size()
        return self._file(path.name, partial(path.open, "rb"), size, None)

    def _matching(self, pattern: str) -> Iterator[_File]:
        if self._byte_range is not None:
            problem = f"applies to one file, but path is the pattern {str(self._path)!r}"
            raise InvalidInputError("byte_range", problem, "Remove the argument, or give the path of a file.")
        fs = self._path.fs
        folder = re.split(r"[*?\[]", pattern)[0].rpartition("/")[0] + "/"
        found = {
            name: info for name, info in fs.glob(pattern, detail=True).items() if info.get("type") == "file"
        }
        names = [name for name in sorted(found) if not _is_hidden(name.removeprefix(folder))]
        if not names:
            but = (
                f", apart from {len(found)} whose names begin with a period or an underscore" if found else ""
            )
            problem = f"{str(self._path)!r} matches no file{but}"
            raise InvalidInputError("path", problem, "Check the pattern and storage_conn_id.")
        log.info(
            "Files that match %r: %d; passed over: %d", str(self._path), len(names), len(found) - len(names)
        )
        for name in names:
            size = found[name].get("size")
            if size != 0:
                shown = name.removeprefix(folder)
                yield self._file(shown, partial(fs.open, name, "rb"), size, shown)

    def _file(
        self, name: str, open_file: Callable[[], IO[bytes]], size: int | None, source: str | None
    ) -> _File:
        form = self._form
        if form is None:
            try:
                form = file_format(name)
            except InvalidInputError:
                # Dead letters are known by their content.
                if not _has_letters(open_file):
                    raise
        return _File(name, open_file, form, size, source)

    def _records(self) -> Parts:
        self._read_before = position = 0
        for file in self._files:
            has_letters = file.form is not FileFormat.PARQUET and not self._byte_range and file.has_letters()
            with file.open() as opened:
                self._open_file = opened
                for part in self._parts(file, opened, position, has_letters=has_letters):
                    yield part
                    position += count_of(part)
            self._open_file = None
            self._read_before += self._in_range(file.size or 0)

    def _parts(self, file: _File, opened: IO[bytes], position: int, *, has_letters: bool) -> Records:
        if self._byte_range:
            return unwrapped(from_range(opened, file.name, self._byte_range, file.form), self._csv_options)
        if has_letters:
            return unwrapped(lines_of_letters(opened, file.source), self._csv_options)
        records = from_file(
            opened, file.name, file.form, self._csv_options, position=position, source=file.source
        )
        return unwrapped(records, self._csv_options)


def _is_hidden(name: str) -> bool:
    """Whether a file is passed over.

    :param name: its path, without the folders that a pattern names.
    """
    return any(part.startswith(".") or (part.startswith("_") and "=" not in part) for part in name.split("/"))


class InputMessages:
    """Records in memory: a list, the output of a mapped task, or any other iterable.

    :param messages: the records as objects. An iterator, such as a generator, can be read only once.
    """

    #: Number of bytes, and how many of them have been read, which are not known.
    size = None
    read_bytes = 0

    def __init__(self, messages: Iterable[Mapping[str, Any]]) -> None:
        self._messages = messages
        self._was_opened = False

    def check(self, *, skip_records: int, max_failures: int) -> None:
        """Reject records that JSON cannot represent, if there are more than may fail.

        :param skip_records: number of records at the beginning that are left out.
        :raises InvalidInputError: without the content of the records.
        """
        index = count = 0
        failures = DeadLetters()
        with self.opened() as parts:
            for part in parts:
                if isinstance(part, UnreadableRecord) and index >= skip_records:
                    failures.add(Failure(index, part, None, part.problem))
                    count += 1
                index += count_of(part)
        if count > max_failures:
            remedy = 'Give a list of objects. A Param for it must have items={"type": "object"}.'
            raise InvalidInputError("messages", failures.describe(count).removesuffix("."), remedy)

    def opened(self) -> AbstractContextManager[Records]:
        """Open the input at its beginning.

        :raises InvalidInputError: if it cannot be read again.
        """
        if self._was_opened and isinstance(self._messages, Iterator):
            problem = f"is a {type(self._messages).__name__}, which cannot be read again"
            raise InvalidInputError("messages", problem, "Give a list.")
        self._was_opened = True
        return closing(self._records())

    def _records(self) -> Parts:
        yield from unwrapped(from_messages(self._messages))
