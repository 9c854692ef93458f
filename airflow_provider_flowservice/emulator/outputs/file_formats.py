"""Contents of exported files: CSV, JSON and Parquet, and their compression."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from airflow_provider_flowservice.emulator.outputs.delivery import OutputError

_COMPRESSIONS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "NONE": ("", bytes),
    "BZIP2": (".bz2", bz2.compress),
    "DEFLATE": (".deflate", zlib.compress),
    "GZIP": (".gz", lambda content: gzip.compress(content, mtime=0)),
}
_PARQUET_CODECS = {"NONE": "none", "GZIP": "gzip", "SNAPPY": "snappy"}

T = TypeVar("T")


@dataclass(frozen=True)
class FileFormat:
    """How the target connection wants its files.

    ``fileType`` CSV, JSON and PARQUET, ``compression`` NONE and GZIP, and the members of ``csvOptions`` with their
    defaults are those of Adobe's API reference; BZIP2, DEFLATE and SNAPPY those of its Destination SDK. That JSON has a
    line for each record is a guess.

    :param extension: end of the file name, with the dot.
    :param encode: makes the content of a file from the names of its columns and its rows.
    """

    extension: str
    encode: Callable[[Sequence[str], Sequence[Sequence[Any]]], bytes]

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> FileFormat:
        """Read the parameters of a target connection.

        :raises OutputError: if the emulator does not write such files.
        """
        kind = _upper(params, "fileType", "CSV")
        compression = _upper(params, "compression", "NONE")
        if kind == "PARQUET":
            codec = _one_of("compression", compression, _PARQUET_CODECS)
            return cls(".parquet", lambda names, rows: _parquet(names, rows, codec))
        encoders = {"CSV": _csv_encoder(params.get("csvOptions")), "JSON": _json_lines}
        plain = _one_of("fileType", kind, encoders)
        ending, compress = _one_of("compression", compression, _COMPRESSIONS)
        return cls(f".{kind.lower()}{ending}", lambda names, rows: compress(plain(names, rows)))


def _upper(params: Mapping[str, Any], name: str, default: str) -> str:
    return str(params.get(name) or default).upper()


def _one_of(name: str, value: str, known: Mapping[str, T]) -> T:
    if value not in known:
        raise OutputError(
            f"params.{name} of the target connection is {value}; the emulator writes {', '.join(known)}",
            permanent=True,
        )
    return known[value]


def _csv_encoder(options: Any) -> Callable[[Sequence[str], Sequence[Sequence[Any]]], bytes]:
    held = options if isinstance(options, dict) else {}
    null, empty = str(held.get("nullValue", "null")), str(held.get("emptyValue", ""))
    delimiter, quote = str(held.get("delimiter", ",")), str(held.get("quote", '"'))
    escape = str(held.get("escape", "\\"))

    def cell(value: Any) -> str:
        if value is None:
            return null
        text = value if isinstance(value, str) else json.dumps(value)
        if not text:
            return empty
        # Without a quote character nothing is quoted, whatever is in it.
        if not quote or not any(mark in text for mark in (delimiter, quote, "\n", "\r")):
            return text
        return quote + text.replace(escape, escape * 2).replace(quote, escape + quote) + quote

    def encode(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
        lines = [delimiter.join(map(cell, line)) for line in (names, *rows)]
        return "".join(f"{line}\n" for line in lines).encode()

    return encode


def _json_lines(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    lines = [
        {name: value for name, value in zip(names, row, strict=True) if value is not None} for row in rows
    ]
    return "".join(f"{json.dumps(line)}\n" for line in lines).encode()


def _parquet(names: Sequence[str], rows: Sequence[Sequence[Any]], codec: str) -> bytes:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise OutputError(
            "PARQUET needs pyarrow: pip install 'airflow-provider-flowservice[parquet]'", permanent=True
        ) from error
    texts = [[value if isinstance(value, str | None) else json.dumps(value) for value in row] for row in rows]
    columns = list(zip(*texts, strict=True)) or [()] * len(names)
    arrays = [pa.array(column, pa.string()) for column in columns]
    buffer = io.BytesIO()
    parquet.write_table(pa.Table.from_arrays(arrays, list(names)), buffer, compression=codec)
    return buffer.getvalue()
