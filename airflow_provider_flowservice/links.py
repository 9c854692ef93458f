"""The link from a task to AEP's user interface."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseOperatorLink

from airflow_provider_flowservice.client import Flow, specs
from airflow_provider_flowservice.client.flows import destinations_page, source_flow_page

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

CONSOLE_URL_KEY = "console_url"


def flow_url(sandbox: str, flow: Flow) -> str:
    """Return the URL of a flow in AEP's user interface.

    For a source flow, this is its own page. No URL is documented for a flow to a destination, so its URL is the list.
    """
    if specs.FlowSource.of(*flow.source_spec_ids) is specs.FlowSource.SYSTEM:
        return source_flow_page(sandbox, flow.id)
    return destinations_page(sandbox)


class FlowServiceLink(BaseOperatorLink):
    """Link to the task's flow in AEP's user interface."""

    name = "Adobe Experience Platform"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the URL in the XCom of the task, or an empty string if there is none yet."""
        from airflow.sdk.execution_time.xcom import XCom

        return XCom.get_value(ti_key=ti_key, key=CONSOLE_URL_KEY) or ""
