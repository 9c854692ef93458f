"""The AEP that is examined: single requests, and their responses whatever their status."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

import msgspec

from airflow_provider_flowservice.client import http
from airflow_provider_flowservice.client.errors import FlowServiceError
from airflow_provider_flowservice.client.flows import NEWEST_FIRST
from airflow_provider_flowservice.client.http import FLOW_SERVICE, PAGE_LIMIT, Kind, Request, Response
from airflow_provider_flowservice.client.model import Frozen, JsonObject, objects

if TYPE_CHECKING:
    from airflow_provider_flowservice.client.http import RequestsTransport
    from airflow_provider_flowservice.client.settings import Settings

_SANDBOXES = "/data/foundation/sandbox-management/sandboxes"
#: At most so many seconds for a question, and so many more attempts: a task may wait for AEP for minutes, but who runs
#: the doctor waits for the sum of a hundred questions.
_PATIENCE, _RETRIES = 30.0, 2
#: Statuses with which AEP, or a server before it, says that it cannot respond now.
_OUT_OF_SERVICE = frozenset({429, 502, 503, 504})
#: An id that no object has.
MISSING_ID = "00000000-0000-4000-8000-000000000000"
Pairs = Iterable[tuple[str, str]]
#: Asks for as many objects as a page can have, the newest first. Several checks share the response.
NEWEST = (("limit", str(PAGE_LIMIT)), ("orderby", NEWEST_FIRST))


class Answer(Frozen, frozen=True):
    """A response of AEP.

    :param headers: by name in lower case.
    :param document: the decoded JSON; None if the body is empty or something else.
    :param code: AEP's own error code, such as ``FLOW-1439-404``; None for a success.
    """

    hidden: ClassVar = frozenset({"headers", "document"})

    status: int
    headers: Mapping[str, str]
    document: Any
    code: str | None = None

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    @property
    def label(self) -> str:
        """Status and code for a sentence, such as ``403 FLOW-2120-403``."""
        return f"{self.status} {self.code}" if self.code else str(self.status)

    @property
    def items(self) -> list[JsonObject]:
        """The objects of a Flow Service response, which has them in ``items``."""
        return objects(self.document, "items")


def impatient(settings: Settings) -> Settings:
    """Return settings with which a server that does not respond is given up soon."""
    return msgspec.structs.replace(
        settings,
        connect_timeout=min(settings.connect_timeout, _PATIENCE),
        read_timeout=min(settings.read_timeout, _PATIENCE),
        retries=min(settings.retries, _RETRIES),
        retry_budget=min(settings.retry_budget, _PATIENCE),
    )


class Aep:
    """Sends the requests of the doctor, and counts them.

    :param settings: of the connection.
    :param transport: sends them.
    :param token_lifetime: seconds for which the access token was issued; None if it is given in the connection.
    """

    def __init__(
        self, settings: Settings, transport: RequestsTransport, token_lifetime: float | None = None
    ) -> None:
        self.settings = settings
        self.token_lifetime = token_lifetime
        self.calls = 0
        self._transport = transport
        self._answers: dict[tuple[Any, ...], Answer] = {}
        #: By the collection that is out of service: what came of the first question to it.
        self._failures: dict[str, Answer | FlowServiceError] = {}

    def get(
        self, path: str, params: Pairs = (), headers: Pairs = (), *, without: Iterable[str] = ()
    ) -> Answer:
        """Send a ``GET`` with a token.

        :param path: absolute path on the gateway, percent-encoded.
        :param params: query parameters.
        :param headers: instead of, or in addition to, the usual ones.
        :param without: names of usual headers to leave out.
        :returns: the response; that of the first time if the same was asked before, or if the collection is out of
            service.
        :raises FlowServiceError: if there is no response.
        """
        question = (path, tuple(params), tuple(headers), tuple(without))
        # For example "/data/foundation/flowservice/flows".
        collection = "/".join(path.split("/")[:5])
        found = self._answers.get(question) or self._failures.get(collection)
        if found is None:
            request = raw_request("GET", path, params=question[1], headers=question[2])
            try:
                found = self._answers[question] = self.send(request, without=without)
            except FlowServiceError as error:
                found = error
            if isinstance(found, FlowServiceError) or found.status in _OUT_OF_SERVICE:
                self._failures[collection] = found
        if isinstance(found, FlowServiceError):
            raise found
        return found

    def forget(self) -> None:
        """Forget all responses, because something else exists now."""
        self._answers.clear()
        self._failures.clear()

    def get_sandbox(self) -> Answer:
        """Ask for the sandbox, of which AEP then says the type; never from a cache.

        :raises FlowServiceError: if there is no response.
        """
        return self.send(raw_request("GET", f"{_SANDBOXES}/{quote(self.settings.sandbox, safe='')}"))

    def get_flow_service(self, path: str, *params: tuple[str, str]) -> Answer:
        """Send a ``GET`` to Flow Service.

        :param path: below its base path, for example ``/flows``.
        """
        return self.get(f"{FLOW_SERVICE}{path}", params)

    def send(self, request: Request[Any], *, without: Iterable[str] = ()) -> Answer:
        """Send any request, and return the response whatever its status.

        :raises FlowServiceError: if there is no response.
        """
        self.calls += 1
        response = self._transport.probe(request, without=without)
        code = None if response.is_success else http.error(response).code
        return Answer(response.status, response.headers, http.lenient_json(response.body), code)

    def newest(self, kind: Kind[Any]) -> Answer:
        """Ask for up to 100 objects of a kind, the newest first."""
        return self.get_flow_service(f"/{kind.path}", *NEWEST)

    def recent(self, kind: Kind[Any]) -> tuple[JsonObject, ...]:
        """Return up to 100 objects of a kind as AEP lists them, the newest first.

        :returns: the objects; empty if the list cannot be read.
        """
        return tuple(self.newest(kind).items)


def raw_request(method: str, path: str, **details: Any) -> Request[Response]:
    """Return a request whose response is not parsed."""
    return Request(method, path, lambda response: response, **details)
