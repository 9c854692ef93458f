"""File destinations: the audiences that a run exports become files in a folder of this machine."""

from __future__ import annotations

import contextlib
import json
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_provider_flowservice.emulator.activation.exports import members_of
from airflow_provider_flowservice.emulator.clock import iso
from airflow_provider_flowservice.emulator.dataprep.mapping import Mapping, SourceType
from airflow_provider_flowservice.emulator.dataprep.store import MappingStore
from airflow_provider_flowservice.emulator.flow.catalogue import CONNECTION_SPECS
from airflow_provider_flowservice.emulator.flow.selectors import ATTRIBUTES, selected_audiences, selector_list
from airflow_provider_flowservice.emulator.flow.specs import ConnectionSpec
from airflow_provider_flowservice.emulator.outputs.delivery import Export, OutputError, Parcel
from airflow_provider_flowservice.emulator.outputs.file_formats import FileFormat
from airflow_provider_flowservice.emulator.outputs.file_names import DEFAULT_TEMPLATE, expanded, safe_name
from airflow_provider_flowservice.emulator.segmentation.store import SegmentStore

#: Parameters of target connections that say where files go, outermost first.
_PLACES = ("bucketName", "container", "path", "remotePath")
#: Parts of a path that lead to no folder below.
_NOWHERE = frozenset({"", ".", ".."})
#: The columns of a flow that maps nothing, which AEP does not know: a guess.
_IDENTITIES = {"ECID": "identityMap.ECID", "Email_LC_SHA256": "identityMap.Email_LC_SHA256"}


class FilesOutput:
    """Writes what flows export to file destinations below one folder, as it would be in the storage.

    Each run writes a file for each of its audiences, and a manifest. Bucket or container and path of the target
    connection are folders. Every export is a full one, because the people of the emulator do not change.

    :param folder: is created if it does not exist.
    :raises OSError: if it cannot be.
    """

    name = "files"

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder.resolve()

    def takes(self, spec: ConnectionSpec) -> bool:
        """Return whether a target connection takes files."""
        return spec.takes_files

    def parcel(self, export: Export) -> Parcel:
        """Return the files of an export."""
        columns, file_format = _columns(export), FileFormat.of(export.params)
        withheld, files = export.withheld, list[_File]()
        for audience_id, value in selected_audiences(export.flow.body):
            if audience_id not in export.segments:
                continue
            members = members_of(audience_id)
            records, withheld = members[withheld:], max(0, withheld - len(members))
            rows = [[_value(column, record) for column in columns] for record in records]
            content = file_format.encode([column.destination for column in columns], rows)
            folder, name = _place(export, audience_id, value)
            name = _unused(name, file_format.extension, {each.name for each in files})
            files.append(_File(folder, name, content, len(rows)))
        return _Files(self._folder, files, export)


@dataclass(frozen=True)
class _File:
    """A file to write.

    :param folder: its folder below the outermost one, with slashes.
    """

    folder: str
    name: str
    content: bytes
    rows: int

    def result(self) -> dict[str, Any]:
        return {"sinkPath": f"/{self.folder}", "name": self.name, "size": len(self.content)}


class _Files(Parcel):
    """Files of one run, and their manifest."""

    def __init__(self, outermost: Path, files: list[_File], export: Export) -> None:
        super().__init__()
        self._outermost = outermost
        self._left = files
        self._manifest = _manifest(files, export)

    def send(self) -> None:
        """Write file after file, and the manifest last: what it lists is there."""
        while self._left:
            file = self._left[0]
            self._write(file)
            self._left.pop(0)
            self.taken.records += file.rows
            self.taken.size += len(file.content)
            self.taken.files.append(f"{file.folder}/{file.name}".lstrip("/"))
        if self._manifest:
            self._write(self._manifest)

    def _write(self, file: _File) -> None:
        """Write a file so that it is there as a whole or not at all."""
        folder = self._outermost / file.folder
        part = folder / f".{uuid.uuid4().hex}.part"
        try:
            if not folder.resolve().is_relative_to(self._outermost):
                raise OutputError(f"the folder {file.folder} is a link that leads elsewhere", permanent=True)
            folder.mkdir(parents=True, exist_ok=True)
            part.write_bytes(file.content)
            part.replace(folder / file.name)
        except OSError as error:
            with contextlib.suppress(OSError):
                part.unlink()
            raise OutputError(f"{file.folder}/{file.name}: {error.strerror or error}") from error


def _manifest(files: list[_File], export: Export) -> _File | None:
    """Return the manifest, with the name and the fields that Adobe documents; the flow stands for the destination."""
    if not files:
        return None
    content = {
        "flowRunId": export.run_id,
        "scheduledTime": iso(export.time),
        "exportResults": [each.result() for each in files],
    }
    name = f"manifest-{export.flow.id}-{export.run_id}.json"
    return _File(files[0].folder, name, json.dumps(content).encode(), 0)


def _place(export: Export, audience_id: str, value: dict[str, Any]) -> tuple[str, str]:
    """Return folder and name of the file of an audience, without extension.

    :param value: value of its selector.
    """
    spec = CONNECTION_SPECS[export.target["connectionSpec"]["id"]]
    segment = SegmentStore.of(export.sandbox).find(audience_id)
    values = {
        "DESTINATION": spec.name,
        "DESTINATION_NAME": spec.name,
        "DESTINATION_INSTANCE_ID": export.flow.id,
        "DESTINATION_INSTANCE_NAME": str(export.flow.body["name"]),
        "ORGANIZATION_NAME": export.sandbox.world.settings.credential.org_id,
        "SANDBOX_NAME": export.sandbox.name,
        "SEGMENT_ID": audience_id,
        "SEGMENT_NAME": segment.name if segment else str(value.get("name") or audience_id),
    }
    template = value.get("filenameTemplate") or value.get("fileNameTemplate") or DEFAULT_TEMPLATE
    # What a macro stands for is part of one name, with a slash in it too.
    parts = [part for place in _PLACES for part in str(export.params.get(place, "")).split("/")]
    folders = [safe_name(expanded(part, values, export.time)) for part in parts if part not in _NOWHERE]
    return "/".join(folders), safe_name(expanded(str(template), values, export.time))


def _unused(name: str, extension: str, used: set[str]) -> str:
    """Return the name of a file that no other of the same run has."""
    found, number = f"{name}{extension}", 1
    while found in used:
        number += 1
        found = f"{name}-{number}{extension}"
    return found


def _columns(export: Export) -> list[Mapping]:
    """Return what the columns of the files come from: a mapping set, or the selected attributes of older flows."""
    for transformation in export.flow.body.get("transformations", []):
        reference = transformation["params"].get("profileMapping") or {}
        mapping_set = MappingStore.of(export.sandbox).find(reference.get("mappingId"))
        version = mapping_set.version(reference.get("mappingVersion")) if mapping_set else None
        if version and version.mappings:
            return list(version.mappings)
    paths = [each["value"].get("path") for each in selector_list(export.flow.body, ATTRIBUTES) or []]
    names = {path: path for path in paths if isinstance(path, str)} or _IDENTITIES
    return [Mapping(SourceType.ATTRIBUTE, source, name) for name, source in names.items()]


def _value(column: Mapping, record: dict[str, Any]) -> Any:
    """Return the value of a column, which an expression leaves empty."""
    return None if column.source_type is SourceType.EXPRESSION else column.value_from(record)
