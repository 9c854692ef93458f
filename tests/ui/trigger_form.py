"""The form that starts a DAG by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.crash.stack import Stack

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page


@dataclass(frozen=True)
class Run:
    """A run that a form has started.

    :param conf: what the form has sent, as Airflow keeps it.
    """

    dag_id: str
    run_id: str
    conf: dict[str, Any]

    @property
    def path(self) -> str:
        """Of the run, in Airflow's API."""
        return f"/dags/{self.dag_id}/dagRuns/{self.run_id}"

    @property
    def page(self) -> str:
        """Of the run, in Airflow's web UI."""
        return f"/dags/{self.dag_id}/runs/{self.run_id}"


class TriggerForm:
    """The open form of a DAG."""

    def __init__(self, page: Page, airflow: Stack, dag_id: str) -> None:
        airflow.wait_for_dag(dag_id)
        self._page = page
        self._airflow = airflow
        self._dag_id = dag_id
        page.goto(f"{airflow.url}/dags/{dag_id}")
        page.get_by_role("button", name="Trigger").first.click()
        self.dialog = page.get_by_role("dialog").filter(has_text="Trigger Dag")
        self.button = self.dialog.get_by_role("button", name="Trigger", exact=True)
        self.button.wait_for()

    def params(self) -> dict[str, dict[str, Any]]:
        """Default (``value``), ``description`` and ``schema`` of each param, as Airflow serves them."""
        return dict(self._airflow.get(f"/dags/{self._dag_id}/details")["params"] or {})

    def fill(self, values: Mapping[str, Any]) -> None:
        """Type a value for some params, as a user must for its kind."""
        schemas = {name: param["schema"] for name, param in self.params().items()}
        for name, value in values.items():
            if isinstance(value, bool):
                self._switch(name, value)
            elif "enum" in schemas[name]:
                self._choose(name, value)
            elif isinstance(value, list) and all(isinstance(each, str) for each in value):
                self._field(name).fill("\n".join(value))
            elif isinstance(value, list | dict):
                self._edit(name, json.dumps(value, indent=2))
            else:
                self._field(name).fill(str(value))

    def shown(self, name: str) -> str:
        """The text in a param's field; of an editor, which Airflow loads last, what is on the screen."""
        lines = self._element(name).locator(".view-line")
        lines.or_(self._field(name)).first.wait_for()
        if lines.count():
            return self._element(name).locator(".view-lines").inner_text()
        return self._field(name).input_value()

    def keep_paused(self) -> None:
        """Let a DAG that is paused stay so when it is triggered, so that the run does not begin."""
        if self._unpause.is_visible():
            self._unpause.click()

    def trigger(self) -> Run:
        """Start the DAG; the run that Airflow has made. The form also unpauses the DAG, unless told otherwise."""
        path = f"/dags/{self._dag_id}"
        unpauses = self._unpause.is_visible() and self._unpause.locator("input").is_checked()
        with self._page.expect_response(lambda answer: answer.url.endswith(f"{path}/dagRuns")) as sent:
            self.button.click()
        assert sent.value.ok, sent.value.text()
        if unpauses:
            self._airflow.until(lambda: not self._airflow.get(path)["is_paused"])
        run_id = sent.value.json()["dag_run_id"]
        return Run(self._dag_id, run_id, dict(self._airflow.get(f"{path}/dagRuns/{run_id}")["conf"]))

    @property
    def _unpause(self) -> Locator:
        """The box whether to unpause a DAG that is paused."""
        return self.dialog.locator("label").filter(has_text="on trigger")

    def _element(self, name: str) -> Locator:
        return self.dialog.locator(f"#element_{name}")

    def _field(self, name: str) -> Locator:
        return self.dialog.locator(f"[name=element_{name}]")

    def _switch(self, name: str, on: bool) -> None:
        # The checkbox itself is out of sight.
        if self._field(name).is_checked() != on:
            self.dialog.locator("label").filter(has=self._page.locator(f"[name=element_{name}]")).click()

    def _choose(self, name: str, value: str) -> None:
        self._element(name).click()
        self._element(name).get_by_role("option", name=value, exact=True).click()

    def _edit(self, name: str, text: str) -> None:
        """Paste text: what is typed, the editor would indent and complete."""
        self._element(name).locator(".monaco-editor").first.click()
        self._page.evaluate("text => navigator.clipboard.writeText(text)", text)
        self._page.keyboard.press("ControlOrMeta+A")
        self._page.keyboard.press("ControlOrMeta+V")
