"""What the checks make in the workshop: objects that export nothing, and inlets that ingest nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_flowservice.client import http, specs
from airflow_provider_flowservice.client.errors import FlowServiceError, InvalidInputError
from airflow_provider_flowservice.client.http import Request
from airflow_provider_flowservice.client.model import Frozen, JsonObject, member, objects
from airflow_provider_flowservice.client.streaming import Inlet
from airflow_provider_flowservice.doctor.aep import MISSING_ID, Answer, Pairs, raw_request
from airflow_provider_flowservice.doctor.habits.schemas import SCHEMAS
from airflow_provider_flowservice.doctor.writes.objects import (
    CONNECTIONS,
    DATASETS,
    FLOWS,
    SOURCE_CONNECTIONS,
    TARGET_CONNECTIONS,
)
from airflow_provider_flowservice.doctor.writes.workshop import Attempt, Made, NotMadeError, Workshop

#: When the flows would first run: 2099-01-01, as a date and in seconds since 1970-01-01 UTC.
_FAR_DATE, _FAR_TIME = "2099-01-01", 4070908800
_FILE_NAME = "%DESTINATION_NAME%_%SEGMENT_ID%_%DATETIME(YYYYMMdd_HHmmss)%"
#: Keys that Amazon prints in its documents. They open nothing.
_KINESIS_KEYS = {
    "accessKeyId": "AKIAIOSFODNN7EXAMPLE",
    "secretKey": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "region": "us-east-1",
}
#: A batch of one message that is not XDM.
MALFORMED_BATCH = b'{"messages":[{}]}'
#: Id of a dataset that does not exist.
_NO_DATASET = "0" * 24
_FIELDS: JsonObject = {
    "mandatoryFields": ["person.name.firstName"],
    "primaryFields": [{"fieldType": "ATTRIBUTE", "attributePath": "personalEmail.address"}],
}


class Bench:
    """Makes what the checks need, when they first need it; a check that needs it again gets the same.

    Files would go to AEP's own Data Landing Zone. Nothing does: the flows have no audience, or one that does not exist
    and is not due for decades.
    """

    def __init__(self, workshop: Workshop) -> None:
        self.workshop = workshop
        self.aep = workshop.aep
        #: Why there was no response from an inlet, as where a firewall drops what goes to their host.
        self._silence: FlowServiceError | None = None

    def connection(self, what: str = "base", *, name: str | None = None) -> Attempt:
        """Make a base connection of the profile store, which has no credential."""
        body = {"connectionSpec": spec(specs.UNIFIED_PROFILE_SERVICE)}
        return self.workshop.make(CONNECTIONS, what, "a base connection", body, name=name)

    def draft(self) -> Attempt:
        """Make a draft of a base connection, with a made-up credential if AEP takes it."""
        label = "a draft of a base connection"
        auth = {"specName": "Aws Kinesis authentication credentials", "params": _KINESIS_KEYS}
        body = {"connectionSpec": spec(specs.AMAZON_KINESIS), "auth": auth}
        secrets = (_KINESIS_KEYS["secretKey"],)
        made = self.workshop.make(CONNECTIONS, "credential", label, body, draft=True, secrets=secrets)
        if made.made or not made.is_refused:
            return made
        body = {"connectionSpec": spec(specs.UNIFIED_PROFILE_SERVICE)}
        return self.workshop.make(CONNECTIONS, "draft", label, body, draft=True)

    def profiles(self) -> Made:
        """Make a source connection of the profile store.

        :raises NotMadeError: if AEP does not make it.
        """
        body = {"connectionSpec": spec(specs.UNIFIED_PROFILE_SERVICE), "data": {"format": "json"}}
        made = self.workshop.make(SOURCE_CONNECTIONS, "profiles", "a source connection of profiles", body)
        return made.needed()

    def profiles_with_legacy_field(self) -> Attempt:
        """Make the same with the field baseConnection, which old tutorials print."""
        base = self.connection().needed()
        _ = self.profiles()
        body = {
            "connectionSpec": spec(specs.UNIFIED_PROFILE_SERVICE),
            "data": {"format": "json"},
            "baseConnection": base.id,
        }
        label = "a source connection with the field baseConnection"
        return self.workshop.make(SOURCE_CONNECTIONS, "legacy", label, body)

    def connection_of_unknown_spec(self) -> Attempt:
        """Make a base connection with the id of a spec that does not exist."""
        _ = self.connection().needed()
        body = {"connectionSpec": spec(MISSING_ID)}
        return self.workshop.make(CONNECTIONS, "unknown-spec", "a base connection with an unknown spec", body)

    def landing_zone(self) -> Made:
        """Make a target connection in AEP's own Data Landing Zone.

        :raises NotMadeError: if AEP does not make it.
        """
        of_zone = {"connectionSpec": spec(specs.DATA_LANDING_ZONE)}
        base = self.workshop.make(
            CONNECTIONS, "landing-zone", "a base connection of the Data Landing Zone", of_zone
        )
        body = {
            **of_zone,
            "baseConnectionId": base.needed().id,
            "data": {"format": "delimited", "properties": {"encoding": "UTF-8"}},
            "params": {"path": "airflow-flowservice-doctor", "fileType": "CSV", "mode": "Server-to-server"},
        }
        label = "a target connection of the Data Landing Zone"
        return self.workshop.make(TARGET_CONNECTIONS, "files", label, body).needed()

    def flow_with_fields(self) -> Attempt:
        """Make a flow without audiences, but with mandatory and primary fields."""
        return self._profile_flow("fields", "a flow with mandatory and primary fields", (), _FIELDS)

    def flow(self) -> Attempt:
        """Make a flow without audiences."""
        with_fields = self.flow_with_fields()
        if with_fields.made or not with_fields.is_refused:
            return with_fields
        return self._profile_flow("flow", "a flow", ())

    def flow_with_audience(self, what: str = "audience", **changes: Any) -> Attempt:
        """Make a flow with an audience that does not exist.

        :param changes: of the audience, or of its schedule.
        """
        schedule = {
            "frequency": "DAILY",
            "triggerType": "SCHEDULED",
            "startDate": _FAR_DATE,
            "startTime": "00:00",
        }
        value = {
            "id": MISSING_ID,
            "name": "made up",
            "filenameTemplate": _FILE_NAME,
            "exportMode": "DAILY_FULL_EXPORT",
            "schedule": schedule | {name: each for name, each in changes.items() if name in schedule},
            **{name: each for name, each in changes.items() if name not in schedule},
        }
        selector = {"type": "PLATFORM_SEGMENT", "value": value}
        return self._profile_flow(what, "a flow with an audience that does not exist", (selector,))

    def dataset_flow(self, hours: int) -> Attempt:
        """Make a flow that would export the doctor's empty dataset or, failing that, one that does not exist.

        :param hours: its interval.
        :raises NotMadeError: if AEP does not make its connections.
        """
        dataset = None
        with suppress(NotMadeError):
            dataset = self.dataset().made
        listed = {"dataSetId": dataset.id if dataset else _NO_DATASET, "name": self.workshop.name("dataset")}
        body: JsonObject = {"connectionSpec": spec(specs.DATA_LAKE_EXPORT), "params": {"datasets": [listed]}}
        source = self.workshop.make(
            SOURCE_CONNECTIONS, "datasets", "a source connection of datasets", body
        ).needed()
        body = {
            "flowSpec": spec(specs.DATA_LANDING_ZONE_DATASET_FLOW),
            "sourceConnectionIds": [source.id],
            "targetConnectionIds": [self.landing_zone().id],
            "transformations": [],
            "scheduleParams": {"interval": hours, "timeUnit": "hour", "startTime": _FAR_TIME},
        }
        what = "daily" if hours == 24 else "twice-daily"
        return self.workshop.make(FLOWS, what, f"an export of a dataset every {hours} hours", body)

    def dataset(self) -> Attempt:
        """Make an empty dataset that is enabled for Profile although its schema is not; failing that, a plain one.

        :raises NotMadeError: if there is no such schema.
        """
        enabled = self.dataset_for_profile()
        if enabled.made or not enabled.is_refused:
            return enabled
        return self._dataset("plain-dataset", "a dataset", {})

    def dataset_for_profile(self) -> Attempt:
        """Make an empty dataset that is enabled for Profile although its schema is not.

        :raises NotMadeError: if there is no such schema.
        """
        return self._dataset("dataset", "a dataset for Profile", {"unifiedProfile": ["enabled:true"]})

    def inlet(self, *, authenticated: bool = False) -> BenchInlet:
        """Make an inlet for XDM, from which no flow reads.

        :raises NotMadeError: if AEP does not make it, or on another host than the connection names.
        """
        params: JsonObject = {"dataType": "xdm"}
        if authenticated:
            params["authenticationRequired"] = True
        body = {
            "connectionSpec": spec(specs.HTTP_API),
            "auth": {"specName": "Streaming Connection", "params": params},
        }
        what = "authenticated-inlet" if authenticated else "inlet"
        label = "an inlet that needs a token" if authenticated else "an inlet"
        made = self.workshop.make(CONNECTIONS, what, label, body).needed()
        url = member(self.workshop.read(made).document, "auth", "params", "inletUrl")
        try:
            inlet = Inlet(str(url), "xdm", authenticated).checked(self.aep.settings.collection_host)
        except InvalidInputError:
            host = urlsplit(str(url)).netloc or "no host"
            shown = host if re.fullmatch(r"[a-z0-9.:-]+", host) else "another host"
            raise NotMadeError(
                f"The inlet is on {shown}: set collection_host of the connection to that host."
            ) from None
        return BenchInlet(self, inlet.id, authenticated)

    def post(self, request: Request[Any], without: Iterable[str]) -> Answer:
        """Post to an inlet, unless there was no response from one before.

        :raises FlowServiceError: if there is no response.
        """
        if self._silence:
            raise self._silence
        try:
            return self.aep.send(request, without=without)
        except FlowServiceError as error:
            self._silence = error
            raise

    def _profile_flow(
        self, what: str, label: str, selectors: Iterable[JsonObject], fields: JsonObject | None = None
    ) -> Attempt:
        params = {
            "mandatoryFields": [],
            "primaryFields": [],
            "profileMapping": {},
            "segmentSelectors": {"selectors": list(selectors)},
            **(fields or {}),
        }
        body = {
            "flowSpec": spec(specs.DATA_LANDING_ZONE_FLOW),
            "sourceConnectionIds": [self.profiles().id],
            "targetConnectionIds": [self.landing_zone().id],
            "transformations": [{"name": "GeneralTransform", "params": params}],
        }
        return self.workshop.make(FLOWS, what, label, body)

    def _dataset(self, what: str, label: str, tags: JsonObject) -> Attempt:
        content_type = "application/vnd.adobe.xed+json;version=1"
        body: JsonObject = {"schemaRef": {"id": self._schema_without_union(), "contentType": content_type}}
        return self.workshop.make(DATASETS, what, label, body | ({"tags": tags} if tags else {}))

    def _schema_without_union(self) -> str:
        """Return the id of a schema that is not enabled for Profile."""
        params = (("orderby", "title"), ("limit", "100"))
        answer = self.aep.get(SCHEMAS, params, (("Accept", "application/vnd.adobe.xed+json"),))
        for schema in objects(answer.document, "results"):
            if "union" not in (schema.get("meta:immutableTags") or ()) and isinstance(schema.get("$id"), str):
                return str(schema["$id"])
        raise NotMadeError(
            "It needs a schema that is not enabled for Profile, and the first 100 of the sandbox have none."
        )


class BenchInlet(Frozen, frozen=True):
    """An inlet that the doctor has made."""

    bench: Bench
    id: str
    authenticated: bool

    def post_batch(
        self, content: bytes = MALFORMED_BATCH, headers: Pairs = (), *, without: Iterable[str] = ()
    ) -> Answer:
        """Post a batch, by default of one message that is not XDM.

        :raises FlowServiceError: if there is no response.
        """
        return self._post(f"/collection/batch/{self.id}", content, (), headers, without)

    def post(self, content: bytes, params: Pairs = (), headers: Pairs = ()) -> Answer:
        """Post one message.

        :raises FlowServiceError: if there is no response.
        """
        return self._post(f"/collection/{self.id}", content, params, headers, ())

    def _post(
        self, path: str, content: bytes, params: Pairs, headers: Pairs, without: Iterable[str]
    ) -> Answer:
        request = raw_request(
            "POST",
            path,
            params=tuple(params),
            content=content,
            headers=tuple(headers),
            host=http.Host.COLLECTION,
            idempotent=False,
            authorized=self.authenticated,
        )
        return self.bench.post(request, without)


def spec(spec_id: str) -> JsonObject:
    """Return a reference to a spec."""
    return {"id": spec_id, "version": "1.0"}
