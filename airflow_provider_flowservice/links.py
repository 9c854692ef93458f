"""The link from a task to AEP's user interface."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseOperatorLink

from airflow_provider_flowservice.client import specs
from airflow_provider_flowservice.client.flows import destinations_page, source_flow_page

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

CONSOLE_URL_KEY = "console_url"


def flow_url(sandbox: str, flow_id: str, flow_spec_id: str) -> str:
    """Return the URL of a flow in AEP's user interface.

    For a source flow, this is its own page. No URL is documented for a flow to a destination, so its URL is the list.
    """
    if flow_spec_id in specs.DESTINATION_FLOWS:
        return destinations_page(sandbox)
    return source_flow_page(sandbox, flow_id)


class FlowServiceLink(BaseOperatorLink):
    """Link to the task's flow in AEP's user interface."""

    name = "Adobe Experience Platform"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the URL in the XCom of the task, or an empty string if there is none yet."""
        from airflow.sdk.execution_time.xcom import XCom

        return XCom.get_value(ti_key=ti_key, key=CONSOLE_URL_KEY) or ""
