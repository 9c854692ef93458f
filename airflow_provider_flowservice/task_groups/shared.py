"""What all task groups share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator

    from airflow_provider_flowservice.operators.data_prep import FlowServiceCreateMappingSetOperator


@dataclass(frozen=True, kw_only=True)
class Common:
    """The arguments that many tasks of a group have. One that is None is left to the ``default_args``.

    :param if_exists: of what is created, except base and source connections.
    """

    plan_only: bool | str | None
    flowservice_conn_id: str | None
    sandbox: str | None
    if_exists: str | None

    @property
    def of_all(self) -> dict[str, Any]:
        """The arguments of every task."""
        return given(
            plan_only=self.plan_only, flowservice_conn_id=self.flowservice_conn_id, sandbox=self.sandbox
        )

    @property
    def of_creates(self) -> dict[str, Any]:
        """The arguments of a task that creates something."""
        return self.of_all | given(if_exists=self.if_exists)

    @property
    def of_reused(self) -> dict[str, Any]:
        """The arguments of a task that creates something which is never changed."""
        return self.of_all | {"if_exists": "reuse"}


def given(**arguments: Any) -> dict[str, Any]:
    """Return the arguments that are not None."""
    return {name: value for name, value in arguments.items() if value is not None}


def output(operator: BaseOperator) -> Any:
    """Return what an operator returns, which takes the place of an argument's value until the task runs."""
    return operator.output


def reference(mapping: FlowServiceCreateMappingSetOperator) -> dict[str, Any]:
    """Return what refers to a mapping set, in the format of AEP's API."""
    return {"mappingId": output(mapping), "mappingVersion": output(mapping)["mapping_version"]}
