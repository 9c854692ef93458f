"""One DAG for many flows: its tasks are mapped over the entries of a YAML file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml  # type: ignore[import-untyped]

from airflow_provider_flowservice.print_dag.dag_file import (
    ABOUT,
    PLAN_ONLY,
    docstring,
    operator_imports,
    settings,
)
from airflow_provider_flowservice.print_dag.model import (
    Constant,
    Noted,
    Operator,
    PrintedFlow,
    Reference,
    Task,
)
from airflow_provider_flowservice.print_dag.naming import shown_name
from airflow_provider_flowservice.print_dag.source import comments, quoted

#: The lists of the YAML file: each has the arguments of one operator.
_LISTS = {
    Operator.CONNECTION: "connections",
    Operator.SOURCE_CONNECTION: "source_connections",
    Operator.TARGET_CONNECTION: "target_connections",
    Operator.FLOW: "flows",
    Operator.ACTIVATION: "activations",
    Operator.STATE: "states",
}
_ABOUT = (
    f"The YAML file beside this one was written from what AEP showed. {ABOUT} If an entry is wrong, the others are"
    " still processed, and the run fails at the end."
)
_TASKS = '''
    @task
    def read_entries(kind, params):
        """Return the entries of one list of the file; none if it does not have that list."""
        with ObjectStoragePath(params["file"]).open("r", encoding="utf-8") as file:
            document = yaml.safe_load(file)
        return document.get(kind) or []

    @task(trigger_rule="none_failed")
    def check_all():
        """Do nothing: this task only runs if no entry has failed."""

    def unrendered(entry):
        """Return the arguments in an entry so that Airflow takes none of them for a template."""
        return {name: literal(value) for name, value in entry.items()}

    def mapped(operator, kind):
        """Return the tasks of an operator, one for each entry of a list of the file."""
        entries = read_entries.override(task_id=f"read_{kind}")(kind)
        return operator.partial(task_id=kind).expand_kwargs(entries.map(unrendered))

'''


def mapped_source(
    dag_id: str, what: str, flows: Sequence[PrintedFlow], conn_id: str, sandbox: str | None
) -> str:
    """Return the source of the DAG's file.

    :param what: the flows, for the documentation.
    """
    operators = [
        each for each in _LISTS if any(task.operator is each for flow in flows for task in flow.tasks)
    ]
    accounts = [account for flow in flows for account in flow.accounts]
    lines = [
        *docstring(f"Take over {what} of Adobe Experience Platform.", [_ABOUT], accounts, conn_id),
        "",
        "from pathlib import Path",
        "",
        "import yaml",
        "from airflow.sdk import DAG, ObjectStoragePath, Param, literal, task",
        *operator_imports(operators),
        "",
        "with DAG(",
        f"    dag_id={quoted(dag_id)},",
        *settings(conn_id, sandbox, trigger_rule="all_done_min_one_success"),
        *PLAN_ONLY.splitlines(),
        '        "file": Param(Path(__file__).absolute().with_suffix(".yaml").as_uri(), type="string", title="File"),',
        "    },",
        ") as dag:",
        *_TASKS.splitlines(),
    ]
    names = [_LISTS[each] for each in operators]
    lines += [f"    {_LISTS[each]} = mapped({each.value}, {quoted(_LISTS[each])})" for each in operators]
    lines.append(f"    {' >> '.join(names)}")
    lines.append(f"    [{', '.join(names)}] >> check_all()")
    return "\n".join(lines) + "\n"


def mapped_entries(flows: Sequence[PrintedFlow]) -> str:
    """Return the YAML file. An object that several flows share is in it once."""
    lines = ["# Each list has the arguments of one operator, each entry those of one object in AEP."]
    for operator, name in _LISTS.items():
        tasks = _tasks_of(operator, flows)
        if not tasks:
            continue
        notes = (note for _, task in tasks for each in task.arguments for note in each.notes)
        lines += ["", *comments(dict.fromkeys(notes), 0), f"{name}:"]
        for flow, task in tasks:
            lines += _entry(flow, task)
    return "\n".join(lines) + "\n"


def longest_list(flows: Sequence[PrintedFlow]) -> int:
    """Return the number of entries in the longest list of the YAML file."""
    return max(len(_tasks_of(each, flows)) for each in _LISTS)


def _tasks_of(operator: Operator, flows: Sequence[PrintedFlow]) -> list[tuple[PrintedFlow, Task]]:
    """Return the tasks of an operator, one for each object, with a flow that each belongs to."""
    return list(
        {
            task.object_id.lower(): (flow, task)
            for flow in flows
            for task in flow.tasks
            if task.operator is operator
        }.values()
    )


def _entry(flow: PrintedFlow, task: Task) -> list[str]:
    notes = [*(flow.notes if task.operator is Operator.FLOW else ()), *task.notes]
    if task.operator in (Operator.ACTIVATION, Operator.STATE):
        notes.insert(0, f"The flow {shown_name(flow.name)}.")
    segments = next((each.value for each in task.arguments if each.name == "segments"), ())
    notes += [f"{_id_of(each.value)}: {each.note}" for each in segments if isinstance(each, Noted)]
    arguments = {each.name: _plain(each.value) for each in task.arguments}
    # A mapped task must not be given None. An empty string means the same here.
    if arguments.get("data_format", "") is None:
        arguments["data_format"] = ""
    dumped = yaml.safe_dump([arguments], sort_keys=False, allow_unicode=True, width=100)
    return [*comments(notes, 2), *(f"  {line}" for line in dumped.splitlines())]


def _id_of(segment: Any) -> str:
    return str(segment["id"] if isinstance(segment, dict) else segment)


def _plain(value: Any) -> Any:
    if isinstance(value, (Reference, Constant)):
        return value.value
    if isinstance(value, Noted):
        return _plain(value.value)
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, (list, tuple)) else value
