"""What a printed DAG consists of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from airflow_provider_flowservice.client.model import Frozen


class Reference(Frozen, frozen=True):
    """What another task of the DAG returns.

    :param variable: the variable of that task.
    :param value: what it returns as long as nothing is changed.
    :param key: key of its XCom; empty for what it returns.
    """

    variable: str
    value: Any
    key: str = ""


class Constant(Frozen, frozen=True):
    """A constant of ``client.specs``.

    :param name: its name there.
    """

    name: str
    value: str


class Template(Frozen, frozen=True):
    """A string that Airflow is meant to render."""

    text: str


class Noted(Frozen, frozen=True):
    """An element of a list, with a note about it."""

    value: Any
    note: str


class Argument(Frozen, frozen=True):
    """An argument of an operator.

    :param notes: what the reader of the file has to know about it, one sentence or more each.
    """

    name: str
    value: Any
    notes: tuple[str, ...] = ()


class Operator(StrEnum):
    """The operators of a printed DAG, in the order in which they run; the values are the names of their classes."""

    CONNECTION = "FlowServiceCreateConnectionOperator"
    SOURCE_CONNECTION = "FlowServiceCreateSourceConnectionOperator"
    TARGET_CONNECTION = "FlowServiceCreateTargetConnectionOperator"
    MAPPING_SET = "FlowServiceCreateMappingSetOperator"
    FLOW = "FlowServiceCreateFlowOperator"
    ACTIVATION = "FlowServiceActivateSegmentsOperator"
    STATE = "FlowServiceSetFlowStateOperator"

    @property
    def module(self) -> str:
        """The module of ``airflow_provider_flowservice.operators`` that has it."""
        modules = {
            self.MAPPING_SET: "data_prep",
            self.FLOW: "flows",
            self.ACTIVATION: "activation",
            self.STATE: "flows",
        }
        return modules.get(self, "connections")


class Task(Frozen, frozen=True, kw_only=True):
    """A task of the DAG.

    :param object_id: what makes it another task, among those with the same operator: the id of the object in AEP.
    :param variable: the variable that it is assigned to.
    :param arguments: its arguments in order, without the task id.
    :param notes: what the reader of the file has to know about it.
    :param after: the variable of a task that it waits for, besides those that its arguments refer to.
    """

    operator: Operator
    object_id: str
    variable: str
    task_id: str
    arguments: tuple[Argument, ...]
    notes: tuple[str, ...] = ()
    after: str = ""


class Account(Frozen, frozen=True):
    """The credentials of a base connection.

    :param title: the base connection.
    :param conn_id: the Airflow connection that the user has to create; empty if no credentials are required.
    :param types: the types that this connection may have.
    :param fields: what it needs: the field or extra, and the parameter of AEP that it stands for.
    :param auth: the parameters that are not credentials.
    :param notes: what the reader has to know about them.
    """

    title: str
    conn_id: str = ""
    types: tuple[str, ...] = ()
    fields: tuple[tuple[str, str], ...] = ()
    auth: Mapping[str, Any] = {}
    notes: tuple[str, ...] = ()


class PrintedFlow(Frozen, frozen=True, kw_only=True):
    """A flow as a DAG has it.

    :param name: its name in AEP.
    :param tasks: its tasks, each after those that it refers to.
    :param accounts: the Airflow connections that the tasks need.
    :param notes: what the DAG does not have, although AEP has it.
    :param remarks: what could be added to it.
    :param losses: what the user must be told while the DAG is printed.
    """

    flow_id: str
    name: str
    tasks: tuple[Task, ...]
    accounts: tuple[Account, ...] = ()
    notes: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()


def leaves(value: Any) -> Iterator[Any]:
    """Yield what a value consists of: a list or mapping yields what is in it, however deep."""
    if isinstance(value, Noted):
        yield from leaves(value.value)
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from leaves(each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from leaves(each)
    else:
        yield value
