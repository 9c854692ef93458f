"""What a post is given: files, or records in memory, and how they are to be read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from glob import has_magic
from typing import TYPE_CHECKING, Any

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.streaming import CsvOptions, EmptyCells, FileFormat, file_format
from airflow_provider_flowservice.operators.input_files import InputFiles, InputMessages
from airflow_provider_flowservice.operators.letter_files import is_same_file

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

_NOT_CSV = "Remove the argument, or set input_format='csv'."


@dataclass(frozen=True, kw_only=True)
class PostInput:
    """The arguments of a post that say what to read, and the checks of whether they fit each other.

    :param path: path or pattern of files; None for records in memory.
    :param storage_conn_id: Airflow connection of the object storage.
    :param messages: records in memory.
    :param form: the format of the files, if their names do not say it.
    :param byte_range: index of a first byte and index after a last one, of the file to read.
    """

    path: str | ObjectStoragePath | None
    storage_conn_id: str | None
    messages: Iterable[Mapping[str, Any]] | None
    form: FileFormat | None
    csv_options: CsvOptions
    byte_range: tuple[int, int] | None

    def open(self) -> InputFiles | InputMessages:
        """Return the input, at its beginning.

        :raises InvalidInputError: if there is no such file, or a file extension is unknown.
        """
        if self.path is None:
            return InputMessages(() if self.messages is None else self.messages)
        return self._files(self.path)

    def storage(self, path: str | ObjectStoragePath) -> ObjectStoragePath:
        """Return a path in the object storage."""
        from airflow.sdk import ObjectStoragePath

        return ObjectStoragePath(path, conn_id=self.storage_conn_id)

    def check_format(self) -> None:
        """Reject arguments that do not apply to the format of the input.

        :raises InvalidInputError: if there is one, or a file extension is unknown.
        """
        if self.path is None:
            for name, value in (("input_format", self.form), ("byte_range", self.byte_range)):
                if value is not None:
                    raise InvalidInputError(name, "applies only to path", "Remove the argument.")
        elif self.form is None and not self._is_pattern():
            try:
                file_format(str(self.path))
            except InvalidInputError:
                # Dead letters are known by their content.
                if not self._exists():
                    raise
                self._files(self.path)
        given = self._csv_arguments()
        if given and not self._can_have_rows():
            shown = "messages" if self.path is None else f"{str(self.path)!r}"
            raise InvalidInputError(given[0], f"applies only to CSV, but the input is {shown}", _NOT_CSV)

    def reject_as_dead_letters(self, dead_letter_path: str | ObjectStoragePath) -> None:
        """Reject a file for dead letters that is one of those to read.

        :raises InvalidInputError: if it is.
        """
        if self.path is None:
            return
        letters = self.storage(dead_letter_path)
        is_same = is_same_file(self.storage(self.path), letters)
        # The posting raises the error instead, after it has taken care of the letters of an earlier attempt.
        with suppress(InvalidInputError):
            is_same = is_same or (self._is_pattern() and self._files(self.path).would_match(letters))
        if is_same:
            raise InvalidInputError(
                "dead_letter_path",
                f"{str(dead_letter_path)!r} refers to the same file as path {str(self.path)!r}, which would be"
                " overwritten",
                "Give another file.",
            )

    def no_records(self) -> InvalidInputError:
        """Return the error for an input that has no records."""
        problem = "contains no records" if self.path is None else f"{self.path!r} contains no records"
        remedy = "If that is intended, set allow_empty=True."
        return InvalidInputError("messages" if self.path is None else "path", problem, remedy)

    def _csv_arguments(self) -> list[str]:
        """Return the names of the arguments that were given and apply only to CSV."""
        options = {
            "delimiter": self.csv_options.delimiter is not None,
            "encoding": self.csv_options.encoding is not None,
            "empty_cells": self.csv_options.empty_cells is not EmptyCells.OMIT,
            "null_values": bool(self.csv_options.null_values),
        }
        return [name for name, is_given in options.items() if is_given]

    def _can_have_rows(self) -> bool:
        """Whether the input has rows of CSV or, in dead letters, may have some."""
        if self.path is None:
            return False
        if self._is_pattern() or self._exists():
            return self._files(self.path).have_rows()
        return (self.form or file_format(str(self.path))) is FileFormat.CSV

    def _files(self, path: str | ObjectStoragePath) -> InputFiles:
        return InputFiles(self.storage(path), self.form, self.csv_options, self.byte_range)

    def _is_pattern(self) -> bool:
        return self.path is not None and has_magic(str(self.path))

    def _exists(self) -> bool:
        return self.path is not None and self.storage(self.path).exists()
