"""The tasks of a DAG, collected while a flow is looked at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from airflow_provider_flowservice.client.http import Kind
from airflow_provider_flowservice.client.model import Frozen, SpecRef
from airflow_provider_flowservice.client.text import plain_text
from airflow_provider_flowservice.print_dag.model import Account, Argument, Operator, Reference, Task
from airflow_provider_flowservice.print_dag.naming import comment_text
from airflow_provider_flowservice.print_dag.reading import Reader


class Subject(Frozen, frozen=True):
    """An object that a task is about.

    :param title: what it is called in comments and messages.
    """

    operator: Operator
    object_id: str
    title: str


class Composition:
    """What is known about a flow: its tasks, accounts and losses."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.tasks: list[Task] = []
        self.accounts: list[Account] = []
        self.remarks: list[str] = []
        self.losses: list[str] = []
        self._lost: dict[Subject, list[str]] = {}

    def lost(self, subject: Subject, text: str) -> None:
        """Note something that the DAG does not have, for a comment at the task and for the user to be told.

        :param text: a sentence.
        """
        notes = self._lost.setdefault(subject, [])
        if (note := comment_text(text)) not in notes:
            notes.append(note)
            self.losses.append(plain_text(f"{subject.title}: {text}"))

    @property
    def notes(self) -> tuple[str, ...]:
        """What is noted about objects without a task."""
        return tuple(
            f"{subject.title}: {note}"
            for subject, notes in self._lost.items()
            if self.made(subject.operator, subject.object_id) is None
            for note in notes
        )

    @property
    def finished_tasks(self) -> tuple[Task, ...]:
        """The tasks, with what is noted about them."""
        return tuple(
            msgspec.structs.replace(task, notes=tuple(self._notes_about(task))) for task in self.tasks
        )

    def _notes_about(self, task: Task) -> Iterator[str]:
        about = (task.operator, task.object_id.lower())
        for subject, notes in self._lost.items():
            if (subject.operator, subject.object_id.lower()) == about:
                yield from notes

    def made(self, operator: Operator, object_id: str) -> Reference | None:
        """Return the id of an object that a task of this DAG has already, as a reference to it."""
        same = (t for t in self.tasks if (t.operator, t.object_id.lower()) == (operator, object_id.lower()))
        task = next(same, None)
        return Reference(task.variable, task.object_id) if task else None

    def add(
        self,
        operator: Operator,
        object_id: str,
        variable: str,
        task_id: str,
        arguments: Iterable[Argument],
        after: str = "",
    ) -> Reference:
        """Add a task, and return a reference to what it returns.

        :param variable: its variable; a second one of that name gets a number.
        :param task_id: its id; a second one gets a number, too.
        """
        number = sum(each.variable.rstrip("0123456789_") == variable for each in self.tasks) + 1
        suffix = f"_{number}" if number > 1 else ""
        task = Task(
            operator=operator,
            object_id=object_id,
            variable=variable + suffix,
            task_id=task_id + suffix,
            arguments=tuple(arguments),
            after=after,
        )
        self.tasks.append(task)
        return Reference(task.variable, object_id)

    def spec(self, kind: Kind[Any], field: str, reference: SpecRef) -> Argument:
        """Return the argument that names a spec."""
        value, note = self.reader.name_of_spec(kind, reference)
        return Argument(field, value, (comment_text(note),) if note else ())
