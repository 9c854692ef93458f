"""The work of the command: reads flows, and writes DAG files for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from airflow_provider_flowservice.client import Flow, FlowKind
from airflow_provider_flowservice.client.errors import (
    BadRequestError,
    FlowServiceError,
    InvalidResponseError,
    NotFoundError,
)
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.print_dag.dag_file import dag_source
from airflow_provider_flowservice.print_dag.flows import print_flow
from airflow_provider_flowservice.print_dag.mapped import longest_list, mapped_entries, mapped_source
from airflow_provider_flowservice.print_dag.model import PrintedFlow
from airflow_provider_flowservice.print_dag.naming import dag_id_of, shown_name
from airflow_provider_flowservice.print_dag.reading import Reader

#: Airflow's default of ``[core] max_map_length``.
_MAX_MAP_LENGTH = 1024
#: From this number of flows on, lists are read instead of each connection.
_MANY = 10

Tell = Callable[[str], None]


class PrintError(Exception):
    """Something was not printed.

    :param problems: what and why, one line each.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(*problems)
        self.problems = problems


def print_dags(
    *,
    conn_id: str,
    sandbox: str | None,
    flow_ids: Sequence[str] | None,
    kind: str | None,
    folder: Path | None,
    mapped: bool,
    force: bool,
    tell: Tell,
) -> str:
    """Print DAG files for flows. Files are only written once all of them can be; of all flows, those that can be read.

    :param conn_id: Airflow connection of type ``flowservice``.
    :param sandbox: overrides the sandbox of the connection.
    :param flow_ids: ids of the flows; None for all.
    :param kind: ``destination`` or ``source``, for all flows of that kind.
    :param folder: folder for the files; None to return the one file.
    :param mapped: whether to write one DAG that is mapped over a YAML file.
    :param force: whether to overwrite existing files.
    :param tell: is called with each line for the user.
    :returns: the file, or an empty string if files were written.
    :raises PrintError: if a file exists, or a flow cannot be read: of all flows, once those that can be are printed.
    """
    stem = f"take_over_{kind}s" if kind else "take_over_flows"
    ids = None if flow_ids is None else _distinct(flow_ids)
    if mapped and folder is not None:
        _check(folder, [f"{stem}.py", f"{stem}.yaml"], force)
    elif ids is not None and folder is not None:
        _check(folder, [f"{dag_id_of(each)}.py" for each in ids], force)
    hook = FlowServiceHook(conn_id, sandbox)
    try:
        flows, problems = _flows(
            Reader(hook), ids, kind, None if mapped else folder, force, with_mapping=not mapped, tell=tell
        )
    except FlowServiceError as error:
        raise PrintError([str(error)]) from error
    finally:
        hook.close()
    if problems and (ids is not None or not flows):
        raise PrintError(problems)
    for flow in flows:
        for loss in flow.losses:
            tell(loss)
    if mapped:
        files = _mapped_files(stem, kind, flows, conn_id, sandbox, tell)
    else:
        files = {
            f"{dag_id_of(each.flow_id)}.py": dag_source(each, conn_id, sandbox)
            for each in _with_notes_about_shared(flows)
        }
    if folder is None:
        return "".join(files.values())
    _write(folder, files, tell)
    if problems:
        raise PrintError([f"{each} It is left out." for each in problems])
    return ""


def _distinct(flow_ids: Sequence[str]) -> list[str]:
    """Return each id once, as it is given first; ids are the same in upper and lower case."""
    distinct: dict[str, str] = {}
    for flow_id in flow_ids:
        distinct.setdefault(flow_id.lower(), flow_id)
    return list(distinct.values())


def _mapped_files(
    stem: str, kind: str | None, flows: Sequence[PrintedFlow], conn_id: str, sandbox: str | None, tell: Tell
) -> dict[str, str]:
    if (longest := longest_list(flows)) > _MAX_MAP_LENGTH:
        tell(
            f"A task is mapped over {longest} entries: set [core] max_map_length of Airflow to at least that."
        )
    what = f"the flows of kind {kind}" if kind else "flows"
    return {
        f"{stem}.py": mapped_source(stem, what, flows, conn_id, sandbox),
        f"{stem}.yaml": mapped_entries(flows),
    }


def _with_notes_about_shared(flows: Sequence[PrintedFlow]) -> Iterator[PrintedFlow]:
    """Yield flows with a note at each object that several of them have: the files would undo each other's changes."""
    number = Counter((task.operator, task.object_id.lower()) for flow in flows for task in flow.tasks)
    for flow in flows:
        tasks = []
        for task in flow.tasks:
            others = number[task.operator, task.object_id.lower()] - 1
            if others:
                files = "Another printed file has" if others == 1 else f"{others} other printed files have"
                note = f"{files} this object, too: change it in all, or their runs undo each other's changes."
                task = msgspec.structs.replace(task, notes=(*task.notes, note))
            tasks.append(task)
        yield msgspec.structs.replace(flow, tasks=tuple(tasks))


def _flows(
    reader: Reader,
    ids: Sequence[str] | None,
    kind: str | None,
    folder: Path | None,
    force: bool,
    *,
    with_mapping: bool,
    tell: Tell,
) -> tuple[list[PrintedFlow], list[str]]:
    """Read the flows and all that they refer to.

    :returns: the flows, and the problem of each flow that cannot be read; or that AEP does not have any.
    :raises PrintError: if the file of a listed flow exists.
    """
    listed: list[tuple[str, Flow | None]]
    if ids is None:
        listed = [(flow.id, flow) for flow in reader.flows(FlowKind(kind) if kind else None)]
        if folder is not None:
            _check(folder, [f"{dag_id_of(flow_id)}.py" for flow_id, _ in listed], force)
        if not listed:
            which, remedy = (f" of kind {kind!r}", " and --kind") if kind else ("", "")
            return [], [f"sandbox {reader.sandbox!r} does not have any flow{which}: check --sandbox{remedy}."]
    else:
        listed = [(flow_id, None) for flow_id in ids]
    if len(listed) > 1:
        tell(f"reading {len(listed)} flows")
    if ids is None or len(listed) >= _MANY:
        reader.read_lists()
    printed: list[PrintedFlow] = []
    problems: list[str] = []
    for number, (flow_id, found) in enumerate(listed, start=1):
        try:
            flow = reader.completed(found) if found else reader.flow(flow_id)
            printed.append(print_flow(flow, reader, with_mapping=with_mapping))
        except (BadRequestError, InvalidResponseError, NotFoundError) as error:
            # Any other error would be that of all flows.
            problems.append(f"flow {flow_id}: {error}")
            continue
        if len(listed) > 1:
            tell(f"{number} of {len(listed)}: {shown_name(flow.name)}")
    return printed, problems


def _check(folder: Path, names: Sequence[str], force: bool) -> None:
    existing = [str(folder / name) for name in names if (folder / name).exists()]
    if existing and not force:
        raise PrintError(
            [f"{each} exists: move it away, or give --force to overwrite it." for each in existing]
        )


def _write(folder: Path, files: Mapping[str, str], tell: Tell) -> None:
    """Write files, none of which is left half-written."""
    parts = {folder / f".{name}.part": folder / name for name in files}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for part, text in zip(parts, files.values(), strict=True):
            part.write_text(text, encoding="utf-8")
        for part, path in parts.items():
            part.replace(path)
    except OSError as error:
        for part in parts:
            with suppress(OSError):
                part.unlink(missing_ok=True)
        raise PrintError([f"{error.filename or folder}: {error.strerror or error}"]) from error
    tell(f"{len(files)} {'file' if len(files) == 1 else 'files'} in {folder}")
