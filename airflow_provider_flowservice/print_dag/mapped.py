"""One DAG for many flows: its tasks are mapped over the entries of a YAML file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from airflow_provider_flowservice.print_dag.dag_file import docstring, operator_imports, settings
from airflow_provider_flowservice.print_dag.model import (
    Constant,
    Noted,
    Operator,
    PrintedFlow,
    Reference,
    Task,
)
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
    "The YAML file beside this one has what AEP had when it was printed. As long as file and AEP agree, a run changes"
    " nothing; after that, a run changes in AEP what has been changed in the file. Set the param plan_only to see what a"
    " run would change. Each object is found by its id (adopt_id), so a new name in the file renames it. What is wrong"
    " with one entry does not keep the others from being looked at; the run fails in the end."
)
_READ = '''
    @task
    def read_entries(kind, params):
        """Return the entries of one list of the file; none if it does not have that list."""
        with ObjectStoragePath(params["file"]).open("r", encoding="utf-8") as file:
            document = yaml.safe_load(file)
        return document.get(kind) or []
'''
_CHECK = '''
    @task(trigger_rule="none_failed")
    def check_all():
        """Do nothing: this task only runs if no entry has failed."""

'''


def mapped_source(
    dag_id: str, what: str, flows: Sequence[PrintedFlow], conn_id: str, sandbox: str | None
) -> str:
    """Return the source of the DAG's file.

    :param what: the flows, for the documentation.
    """
    operators = [each for each in _LISTS if any(task.operator is each for flow in flows for task in flow.tasks)]
    accounts = [account for flow in flows for account in flow.accounts]
    lines = [
        *docstring(f"Take over {what} of Adobe Experience Platform.", [_ABOUT], accounts, conn_id),
        "",
        "from pathlib import Path",
        "",
        "import yaml",
        "from airflow.sdk import DAG, ObjectStoragePath, Param, task",
        "",
        *operator_imports(operators),
        "",
        "with DAG(",
        f"    dag_id={quoted(dag_id)},",
        *settings(conn_id, sandbox),
        "    params={",
        '        "plan_only": Param(',
        '            False, type="boolean", title="Plan only", description="Only log the changes, without sending them"',
        "        ),",
        '        "file": Param(Path(__file__).with_suffix(".yaml").as_uri(), type="string", title="File"),',
        "    },",
        ") as dag:",
        *_READ.splitlines(),
        "",
    ]
    variables = []
    for each in operators:
        name = _LISTS[each]
        rule = ', trigger_rule="all_done_min_one_success"' if variables else ""
        lines += [
            f"    {name} = {each.value}.partial(task_id={quoted(name)}{rule}).expand_kwargs(",
            f"        read_entries.override(task_id={quoted(f'read_{name}')})({quoted(name)})",
            "    )",
        ]
        variables.append(name)
    lines += _CHECK.splitlines()
    lines.append(f"    {' >> '.join(variables)}")
    lines.append(f"    [{', '.join(variables)}] >> check_all()")
    return "\n".join(lines) + "\n"


def mapped_entries(flows: Sequence[PrintedFlow]) -> str:
    """Return the YAML file. An object that several flows share is in it once."""
    lines = ["# Each list has the arguments of one operator, each entry those of one object in AEP."]
    for operator, name in _LISTS.items():
        tasks = {
            task.object_id.lower(): (flow, task)
            for flow in flows
            for task in flow.tasks
            if task.operator is operator
        }
        if not tasks:
            continue
        lines += ["", f"{name}:"]
        for flow, task in tasks.values():
            lines += _entry(flow, task)
    return "\n".join(lines) + "\n"


def _entry(flow: PrintedFlow, task: Task) -> list[str]:
    notes = [*(flow.notes if task.operator is Operator.FLOW else ()), *task.notes]
    arguments = {each.name: _plain(each.value) for each in task.arguments}
    # A mapped task must not be given None. An empty string means the same here.
    arguments = {name: "" if name == "data_format" and value is None else value for name, value in arguments.items()}
    dumped = yaml.safe_dump([arguments], sort_keys=False, allow_unicode=True, width=100)
    return [*comments(notes, 2), *(f"  {line}" for line in dumped.splitlines())]


def _plain(value: Any) -> Any:
    if isinstance(value, (Reference, Constant)):
        return value.value
    if isinstance(value, Noted):
        return _plain(value.value)
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, (list, tuple)) else value
