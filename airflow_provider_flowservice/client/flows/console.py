"""Pages of AEP's user interface and, where an emulator takes AEP's place, of the emulator."""

from __future__ import annotations

from enum import StrEnum
from urllib.parse import quote

from airflow_provider_flowservice.client.ensure import is_planned
from airflow_provider_flowservice.client.flows.specs import FlowSource
from airflow_provider_flowservice.client.model import Flow, FlowRun, Page
from airflow_provider_flowservice.client.settings import Settings

_CONSOLE = "https://experience.adobe.com/#/sname:{sandbox}/platform"


class Shown(StrEnum):
    """What has a page. The values are the names of the emulator's views."""

    FLOW = "flows"
    RUN = "runs"
    BASE_CONNECTION = "connections"
    SOURCE_CONNECTION = "sourceConnections"
    TARGET_CONNECTION = "targetConnections"
    SCHEMA = "schemas"
    DATASET = "datasets"
    MAPPING_SET = "mappingSets"
    INLET = "inlets"


#: The lists that Adobe's tutorials link to. No URL of a single object is documented.
_LISTS = {Shown.SCHEMA: "schema", Shown.DATASET: "dataset/browse"}


class Console:
    """Finds the pages of objects: an emulator's own, if it is behind the gateway, otherwise AEP's.

    Flows from sources have other pages in AEP than flows to destinations. A flow that nothing is known about is taken
    for one from a source, whose page has its id. The placeholder of an object that does not exist yet has no page: the
    URL is empty.

    :param settings: the connection through which the objects are reached.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._destinations: set[str] = set()

    def learn(self, answer: object) -> None:
        """Learn from what a request returned which flows have destinations."""
        if isinstance(answer, Page):
            for item in answer.items:
                self.learn(item)
        elif isinstance(answer, Flow):
            if FlowSource.of(*answer.source_spec_ids) is not FlowSource.SYSTEM:
                self._destinations.add(answer.id)
        elif isinstance(answer, FlowRun) and answer.flow_id not in self._destinations and answer.segments:
            self._destinations.add(answer.flow_id)

    def flow_page(self, flow_id: str, *, is_destination: bool = False) -> str:
        """Return the URL of a flow.

        :param is_destination: whether it is known to have a destination.
        """
        if is_planned(flow_id):
            return ""
        if self._settings.is_emulated:
            return self._emulator_page(Shown.FLOW, flow_id)
        if is_destination or flow_id in self._destinations:
            return destinations_page(self._settings.sandbox)
        return source_flow_page(self._settings.sandbox, flow_id)

    def run_page(self, flow_id: str, run_id: str) -> str:
        """Return the URL of a run of a flow; AEP shows runs on the page of their flow."""
        if is_planned(run_id):
            return ""
        if self._settings.is_emulated:
            return self._emulator_page(Shown.RUN, run_id)
        return self.flow_page(flow_id)

    def page(self, kind: Shown, object_id: str = "") -> str:
        """Return the URL of an object other than a flow or run, or of a list.

        :param object_id: id of the object; empty for the list.
        :returns: the most specific page that is documented; in AEP, this may be the start page of the sandbox.
        """
        if is_planned(object_id):
            return ""
        if self._settings.is_emulated:
            return self._emulator_page(kind, object_id)
        return f"{_console(self._settings.sandbox)}/{_LISTS.get(kind, 'home')}"

    def _emulator_page(self, kind: Shown, object_id: str) -> str:
        # An object is found in whichever sandbox it is.
        where = f"/{quote(object_id, safe='')}" if object_id else f"?sandbox={quote(self._settings.sandbox)}"
        return f"{self._settings.gateway}/#/{kind.value}{where}"


def source_flow_page(sandbox: str, flow_id: str) -> str:
    """Return the URL of a source flow in AEP, whose page lists its runs."""
    return f"{_console(sandbox)}/source/dataflows/{quote(flow_id, safe='')}"


def destinations_page(sandbox: str) -> str:
    """Return the URL of the list of flows to destinations in AEP. No URL is documented for a single one."""
    return f"{_console(sandbox)}/destination/browse"


def _console(sandbox: str) -> str:
    return _CONSOLE.format(sandbox=quote(sandbox, safe=""))
