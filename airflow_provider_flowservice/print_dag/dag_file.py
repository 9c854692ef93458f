"""The file of the DAG for one flow."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from airflow_provider_flowservice.print_dag.model import (
    Account,
    Argument,
    Constant,
    Operator,
    PrintedFlow,
    Reference,
    Task,
    Template,
    leaves,
)
from airflow_provider_flowservice.print_dag.naming import comment_text, dag_id_of, shown_name
from airflow_provider_flowservice.print_dag.source import (
    INDENT,
    LINE_LENGTH,
    call,
    comments,
    entry,
    quoted,
    uses_literal,
)

_OPERATORS = "airflow_provider_flowservice.operators"
PLAN_ONLY = """\
    params={
        "plan_only": Param(
            False, type="boolean", title="Plan only", description="Only log the changes, without sending them"
        ),
"""
ABOUT = (
    "While file and AEP agree, a run changes nothing. What you change in the file, the next run changes in AEP; what"
    " somebody else changes in AEP, it changes back, or it fails and names the difference. If you remove an argument,"
    " AEP keeps what it has set. Set the param plan_only to see first what a run would change. Each object is found by"
    " its id (adopt_id), so a new name in the file renames it."
)


def dag_source(flow: PrintedFlow, conn_id: str, sandbox: str | None) -> str:
    """Return the source of the file.

    :param conn_id: the Airflow connection to AEP.
    :param sandbox: the sandbox, if it is not the one of that connection.
    """
    summary = f"Take over the flow {shown_name(flow.name)} of Adobe Experience Platform."
    lines = [
        *docstring(summary, [f"The flow is {comment_text(flow.flow_id)}. {ABOUT}"], flow.accounts, conn_id),
        "",
        *_imports(flow.tasks),
        "",
        "with DAG(",
        f"    dag_id={quoted(dag_id_of(flow.flow_id))},",
        *_display_name(flow.name),
        *settings(conn_id, sandbox),
        *PLAN_ONLY.splitlines(),
        "    },",
        ") as dag:",
    ]
    lines += comments(flow.notes, INDENT)
    for position, task in enumerate(flow.tasks):
        lines += comments(task.notes, INDENT)
        lines += _task(task, is_used=_is_used(task, flow.tasks[position + 1 :]))
    lines += [f"    {task.after} >> {task.variable}" for task in flow.tasks if task.after]
    lines += comments(flow.remarks, INDENT)
    if not flow.tasks:
        lines += ["    # The operators take over nothing of this flow.", "    pass"]
    return "\n".join(lines) + "\n"


def docstring(
    summary: str, paragraphs: Iterable[str], accounts: Sequence[Account], conn_id: str
) -> list[str]:
    """Return the lines of a module's docstring, which is the DAG's documentation, too."""
    lines = [f'"""{summary}', ""]
    for paragraph in paragraphs:
        lines += [*textwrap.wrap(paragraph, LINE_LENGTH, break_on_hyphens=False), ""]
    lines += ["Airflow connections that it needs:", ""]
    lines += _item(f"``{comment_text(conn_id)}`` of type ``flowservice``: the connection to AEP.")
    for account in {each.conn_id: each for each in accounts}.values():
        fields = ", ".join(f"{place} = {comment_text(name)}" for place, name in account.fields)
        types = " or ".join(f"``{each}``" for each in account.types)
        lines += _item(f"``{account.conn_id}`` of type {types}: {fields}. {account.title}.")
    return [*lines, '"""']


def settings(conn_id: str, sandbox: str | None, **more: str) -> list[str]:
    """Return the arguments of the DAG that all printed DAGs have.

    :param more: further arguments for all tasks.
    """
    arguments: dict[str, Any] = {"plan_only": Template("{{ params.plan_only }}"), **more}
    if conn_id != "flowservice_default":
        arguments["flowservice_conn_id"] = conn_id
    if sandbox is not None:
        arguments["sandbox"] = sandbox
    return [
        "    schedule=None,",
        "    catchup=False,",
        "    max_active_runs=1,",
        "    doc_md=__doc__,",
        '    tags=["flowservice", "taken over"],',
        *entry("default_args=", arguments, INDENT),
    ]


def operator_imports(operators: Iterable[Operator]) -> list[str]:
    """Return the import statements for operators, sorted."""
    modules: dict[str, set[str]] = {}
    for each in operators:
        modules.setdefault(each.module, set()).add(each.value)
    lines: list[str] = []
    for module, names in sorted(modules.items()):
        line = f"from {_OPERATORS}.{module} import {', '.join(sorted(names))}"
        if len(line) > LINE_LENGTH:
            names_lines = [f"    {name}," for name in sorted(names)]
            lines += [f"from {_OPERATORS}.{module} import (", *names_lines, ")"]
        else:
            lines.append(line)
    return lines


def _item(text: str) -> list[str]:
    return textwrap.wrap(
        text, LINE_LENGTH, initial_indent="* ", subsequent_indent="  ", break_on_hyphens=False
    )


def _imports(tasks: Sequence[Task]) -> list[str]:
    values = [argument.value for task in tasks for argument in task.arguments]
    from_airflow = ["DAG", "Param"] + (["literal"] if uses_literal(values) else [])
    from_client = "from airflow_provider_flowservice.client import specs"
    has_constants = any(isinstance(each, Constant) for each in leaves(values))
    return [
        f"from airflow.sdk import {', '.join(from_airflow)}",
        *([from_client] if has_constants else []),
        *operator_imports(task.operator for task in tasks),
    ]


def _display_name(name: str) -> list[str]:
    """Return the argument that shows the flow's name in Airflow's web UI; none for a name that it cannot show."""
    line = f"    dag_display_name={quoted(name)},"
    return [line] if name.strip() and name.isprintable() and len(line) <= LINE_LENGTH else []


def _task(task: Task, *, is_used: bool) -> list[str]:
    arguments = [Argument("task_id", task.task_id), *task.arguments]
    head = f"{task.variable} = {task.operator.value}" if is_used else task.operator.value
    return call(head, arguments, INDENT)


def _is_used(task: Task, later: Sequence[Task]) -> bool:
    """Whether a task is referred to, by another one or for its place in the order."""
    values = leaves([argument.value for each in later for argument in each.arguments])
    used = {each.variable for each in values if isinstance(each, Reference)} | {each.after for each in later}
    return bool(task.after) or task.variable in used
