"""The link from a task to what it is about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk.types import TaskInstanceKey


class FlowServiceLink(BaseOperatorLink):
    """Link to the task's flow, run or other object in AEP's user interface, or on the page of an emulator.

    Airflow asks for it on the worker when the task ends, and also when it is deferred.
    """

    name = "Adobe Experience Platform"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:
        """Return the URL that the operator has found; after a wait in the triggerer, the one of before the wait."""
        if operator.page_url is not None:
            return str(operator.page_url)
        from airflow.sdk.execution_time.xcom import XCom

        return XCom.get_value(ti_key=ti_key, key=self.xcom_key) or ""
