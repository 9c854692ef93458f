"""What several checks look at: a change, a deletion, a duplicate name. Each is tried once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from airflow_provider_flowservice.client import clock, specs
from airflow_provider_flowservice.client.errors import FlowServiceError
from airflow_provider_flowservice.client.model import Frozen
from airflow_provider_flowservice.doctor.aep import Answer
from airflow_provider_flowservice.doctor.writes import changes
from airflow_provider_flowservice.doctor.writes.bench import Bench, spec
from airflow_provider_flowservice.doctor.writes.changes import Change
from airflow_provider_flowservice.doctor.writes.objects import CONNECTIONS
from airflow_provider_flowservice.doctor.writes.workshop import Attempt, Made, NotMadeError, Workshop

R = TypeVar("R")


class Deletion(Frozen, frozen=True):
    """A deletion.

    :param answer: AEP's response.
    :param gone_after: seconds until a read was a 404; None if it was not within a minute.
    """

    answer: Answer
    gone_after: int | None


class Experiments:
    """The experiments of one run."""

    def __init__(self, workshop: Workshop) -> None:
        self.workshop = workshop
        self.bench = Bench(workshop)
        self._results: dict[str, Any] = {}

    def listed_after(self) -> int | None:
        """Make a flow, or else a base connection, and return the seconds until a list shows it.

        :raises NotMadeError: if AEP makes neither.
        """
        return self._once("listed", lambda: changes.listed_after(self.workshop, self._subject()))

    def change(self) -> Change:
        """Change a flow, or else a base connection.

        :raises NotMadeError: if AEP makes neither.
        """
        # How long lists need can only be seen of a new object.
        with suppress(FlowServiceError, NotMadeError):
            self.listed_after()
        return self._once("change", lambda: changes.change(self.workshop, self._subject()))

    def accepted_change(self) -> Change:
        """Change a flow, or else a base connection, in a way that AEP accepts.

        :raises NotMadeError: if AEP makes neither, or refuses the change.
        """
        change = self.change()
        if not change.answer.is_success:
            raise NotMadeError(f"AEP refused the PATCH ({change.answer.label}).")
        return change

    def settle(self) -> None:
        """Wait until lists show everything that was made, as long as they needed for the first object."""
        with suppress(FlowServiceError, NotMadeError):
            clock.current().sleep(self.listed_after() or 0)

    def duplicate(self) -> Attempt:
        """Make a second base connection with the name of the first.

        :raises NotMadeError: if AEP does not make the first.
        """
        _ = self.bench.connection().needed()
        return self.bench.connection("duplicate", name=self.workshop.name("base"))

    def deletion(self, role: str) -> Deletion:
        """Make a base connection, and delete it.

        :param role: ``source`` or ``destination``: what it is for.
        :raises NotMadeError: if AEP does not make it.
        """

        def delete() -> Deletion:
            made = self._doomed(role)
            answer = self.workshop.delete(made)
            gone = changes.gone_after(self.workshop, made) if answer.is_success else None
            return Deletion(answer, gone)

        return self._once(f"deletion {role}", delete)

    def _doomed(self, role: str) -> Made:
        if role == "destination":
            return self.bench.connection("doomed-destination").needed()
        auth = {"specName": "Streaming Connection", "params": {"dataType": "raw"}}
        body = {"connectionSpec": spec(specs.HTTP_API), "auth": auth}
        return self.workshop.make(
            CONNECTIONS, "doomed-source", "a base connection of a source", body
        ).needed()

    def _subject(self) -> Made:
        try:
            made = self.bench.flow().made
        except NotMadeError:
            made = None
        return made or self.bench.connection().needed()

    def _once(self, name: str, experiment: Callable[[], R]) -> R:
        """Return the result of an experiment, or raise its error, also when it is requested again."""
        if name not in self._results:
            try:
                self._results[name] = experiment()
            except (FlowServiceError, NotMadeError) as error:
                self._results[name] = error
        result = self._results[name]
        if isinstance(result, Exception):
            raise result
        found: R = result
        return found
