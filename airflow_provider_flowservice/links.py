"""The button that leads from a task to AEP's user interface."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseOperatorLink

from airflow_provider_flowservice.client import specs

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

CONSOLE_URL_KEY = "console_url"
_CONSOLE = "https://experience.adobe.com/#/sname:{sandbox}/platform"


def flow_url(sandbox: str, flow_id: str, flow_spec_id: str) -> str:
    """Where AEP's user interface shows a flow.

    A source flow has a page of its own; for a destination's no address is documented, so it is the list.
    """
    console = _CONSOLE.format(sandbox=sandbox)
    if flow_spec_id in specs.DESTINATION_FLOWS:
        return f"{console}/destination/browse"
    return f"{console}/source/dataflows/{flow_id}"


class FlowServiceLink(BaseOperatorLink):
    """Opens the task's flow in AEP."""

    name = "Adobe Experience Platform"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """The address that the task left in its XCom, or an empty text before it did."""
        from airflow.sdk.execution_time.xcom import XCom

        return XCom.get_value(ti_key=ti_key, key=CONSOLE_URL_KEY) or ""
