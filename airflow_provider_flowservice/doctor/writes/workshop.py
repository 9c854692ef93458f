"""The workshop: makes the doctor's objects, remembers them, and removes them again."""

from __future__ import annotations

import re
import secrets
from collections import Counter
from typing import Any

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.errors import FlowServiceError
from airflow_provider_flowservice.client.http import Request
from airflow_provider_flowservice.client.model import Frozen, JsonObject
from airflow_provider_flowservice.doctor.aep import Aep, Answer, raw_request
from airflow_provider_flowservice.doctor.writes.objects import SHELVES, ListRefusedError, Shelf, Shown

PREFIX = "airflow-flowservice-doctor"
_NAME = re.compile(rf"{PREFIX}-[0-9a-f]{{16}}-[a-z]+(-[a-z]+)*")
DESCRIPTION = "Made by the doctor of the Flow Service provider for Apache Airflow, which removes it again."

#: Pauses in seconds before each further attempt to remove what is left. AEP is reported to show a change, and so that
#: nothing refers to an object any more, up to 8 s late.
_REMOVAL_PAUSES = (1.0, 2.0, 3.0, 4.0, 5.0)
#: After so many seconds, no further attempt is made: AEP is out of service.
_REMOVAL_SECONDS = 120.0
#: Pauses in seconds before each further read of an object that AEP has just made.
_READ_PAUSES = (1.0, 2.0, 3.0, 4.0)


def is_doctors_name(name: object) -> bool:
    """Whether only the doctor gives names like this one."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


class NotMadeError(Exception):
    """What a check needs was not made. The message says why, without ids and names.

    :param status: of AEP's response to the attempt to make it, if that is why.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class Made(Frozen, frozen=True):
    """An object that the doctor has made."""

    shelf: Shelf
    id: str


class Attempt(Frozen, frozen=True):
    """The attempt to make an object.

    :param label: what it was, for a sentence.
    :param answer: AEP's response; None if it did not respond.
    :param made: the object; None if AEP did not make it.
    """

    label: str
    answer: Answer | None
    made: Made | None

    @property
    def is_refused(self) -> bool:
        """Whether AEP refused it because of what it is, and not because it was busy or the credential may not."""
        return self.answer is not None and self.answer.status in (400, 404, 409, 422)

    @property
    def outcome(self) -> str:
        """What AEP responded, for a sentence."""
        return self.answer.label if self.answer else "no response"

    def needed(self) -> Made:
        """Return the object.

        :raises NotMadeError: if it was not made.
        """
        if self.made is None:
            message = f"It needs {self.label}, which AEP did not make ({self.outcome})."
            raise NotMadeError(message, self.answer.status if self.answer else None)
        return self.made


class Workshop:
    """Makes objects whose names have one exact pattern.

    Each is made once: who asks again gets the result of the first attempt.
    """

    def __init__(self, aep: Aep) -> None:
        self.aep = aep
        #: Sixteen hexadecimal digits of this run.
        self.run = secrets.token_hex(8)
        self.number_made = 0
        self._made: list[Made] = []
        #: Objects that may have been made although no response says so.
        self._doubtful: dict[str, Shelf] = {}
        self._attempts: dict[str, Attempt] = {}

    def name(self, what: str) -> str:
        """Return the name of an object of this run."""
        return f"{PREFIX}-{self.run}-{what}"

    def make(
        self,
        shelf: Shelf,
        what: str,
        label: str,
        body: JsonObject,
        *,
        name: str | None = None,
        draft: bool = False,
        secrets: tuple[str, ...] = (),
    ) -> Attempt:
        """Make an object, unless it was tried before.

        :param what: end of its name, in small letters and hyphens.
        :param label: what it is, for a sentence.
        :param body: without name and description.
        :param name: to give it the name of another object of this run.
        :param secrets: values of the body that no message may have.
        """
        if what not in self._attempts:
            wanted = name or self.name(what)
            request = raw_request(
                "POST",
                shelf.path,
                params=(("mode", "draft"),) if draft else (),
                json={"name": wanted, "description": DESCRIPTION, **body},
                idempotent=False,
                secrets=secrets,
            )
            self._attempts[what] = self._send(shelf, wanted, label, request)
        return self._attempts[what]

    def _send(self, shelf: Shelf, name: str, label: str, request: Request[Any]) -> Attempt:
        # Until a response says that it was not made, even if this process is asked to end meanwhile.
        self._doubtful[name] = shelf
        try:
            answer = self.aep.send(request)
        except FlowServiceError:
            return Attempt(label, None, None)
        if 400 <= answer.status < 500:
            del self._doubtful[name]
            return Attempt(label, answer, None)
        made_id = shelf.created_id(answer) if answer.is_success else None
        if made_id is None:
            return Attempt(label, answer, None)
        made = Made(shelf, made_id)
        self._made.append(made)
        self.number_made += 1
        del self._doubtful[name]
        return Attempt(label, answer, made)

    def read(self, made: Made) -> Shown:
        """Read an object, again for a while if AEP does not show it yet.

        :raises NotMadeError: if AEP does not show it.
        :raises FlowServiceError: if there is no response.
        """
        for pause in (0.0, *_READ_PAUSES):
            if pause:
                clock.current().sleep(pause)
            answer = made.shelf.read(self.aep, made.id)
            if shown := made.shelf.item(answer):
                return shown
        raise NotMadeError(f"AEP does not show a {made.shelf.label} that it has made ({answer.label}).")

    def delete(self, made: Made) -> Answer:
        """Delete an object now.

        :raises FlowServiceError: if there is no response.
        """
        answer = made.shelf.delete(self.aep, made.id)
        if answer.is_success:
            self._made.remove(made)
        return answer

    def remove_everything(self) -> Counter[str]:
        """Remove what this run has made, also what no response has confirmed.

        :returns: how many objects of each kind are left.
        """
        end = clock.current().monotonic() + _REMOVAL_SECONDS

        def is_time_left() -> bool:
            return clock.current().monotonic() < end

        for pause in (0.0, *_REMOVAL_PAUSES):
            if pause:
                clock.current().sleep(pause)
            self._find_doubtful()
            # What refers to others comes first.
            self._made.sort(key=lambda made: SHELVES.index(made.shelf))
            self._made = [made for made in self._made if not (is_time_left() and is_removed(self.aep, made))]
            if not (self._made or self._doubtful) or not is_time_left():
                break
        return Counter(made.shelf.label for made in self._made)

    @property
    def number_doubtful(self) -> int:
        """How many objects may exist although no response has confirmed it, and no list shows them."""
        return len(self._doubtful)

    def _find_doubtful(self) -> None:
        for shelf in dict.fromkeys(self._doubtful.values()):
            try:
                listed = shelf.everything(self.aep)
            except (FlowServiceError, ListRefusedError):
                continue
            known = {made.id for made in self._made}
            for shown in listed:
                is_own = shown.created_client in (None, self.aep.settings.client_id)
                if is_own and self._doubtful.get(str(shown.name)) is shelf and shown.id not in known:
                    self._made.append(Made(shelf, shown.id))
                    del self._doubtful[str(shown.name)]


def is_removed(aep: Aep, made: Made) -> bool:
    """Delete an object, and return whether it is gone."""
    try:
        answer = made.shelf.delete(aep, made.id)
    except FlowServiceError:
        return False
    return answer.is_success or answer.status == 404
