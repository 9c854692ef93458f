"""The services of AEP that the operators and sensors use, and which of them each one needs."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from airflow_provider_flowservice.client.activation import ADHOC_SERVICE, PROFILE_SERVICE
from airflow_provider_flowservice.client.datasets import CATALOG, DATA_PREP, SCHEMA_REGISTRY
from airflow_provider_flowservice.client.http import FLOW_SERVICE
from airflow_provider_flowservice.client.model import Frozen
from airflow_provider_flowservice.doctor.aep import NEWEST

_ONE = (("limit", "1"),)


class Probe(Frozen, frozen=True):
    """What is read of a service.

    :param path: below the service's base path.
    :param headers: in addition to the usual ones.
    """

    path: str
    params: tuple[tuple[str, str], ...] = _ONE
    headers: tuple[tuple[str, str], ...] = ()


class _Service(Frozen, frozen=True):
    title: str
    base: str
    permissions: str
    probe: Probe | None
    changes: bool = True
    shows_creator: bool = False


def _of_flow_service(title: str, collection: str, permissions: str) -> _Service:
    probe = Probe("", NEWEST)
    return _Service(title, f"{FLOW_SERVICE}/{collection}", permissions, probe, shows_creator=True)


_BOTH = "View Sources and Manage Sources, and View Destinations and Manage Destinations"


class Service(Enum):
    """A service, or a collection of Flow Service, for which AEP has permissions."""

    CONNECTION_SPECS = _Service(
        "connection specs",
        f"{FLOW_SERVICE}/connectionSpecs",
        "View Sources and View Destinations",
        Probe("", ()),
        changes=False,
    )
    FLOW_SPECS = _Service(
        "flow specs",
        f"{FLOW_SERVICE}/flowSpecs",
        "View Sources and View Destinations",
        Probe("", ()),
        changes=False,
    )
    CONNECTIONS = _of_flow_service("base connections", "connections", _BOTH)
    SOURCE_CONNECTIONS = _of_flow_service("source connections", "sourceConnections", _BOTH)
    TARGET_CONNECTIONS = _of_flow_service("target connections", "targetConnections", _BOTH)
    FLOWS = _of_flow_service("flows", "flows", f"{_BOTH} and Activate Destinations")
    RUNS = _Service(
        "flow runs", f"{FLOW_SERVICE}/runs", "View Sources and View Destinations", Probe("", NEWEST)
    )
    AUDIENCES = _Service(
        "Segmentation (audiences)",
        PROFILE_SERVICE,
        "View Segments",
        Probe("/audiences", (("start", "0"), *_ONE)),
        changes=False,
    )
    AD_HOC = _Service("ad-hoc activation", ADHOC_SERVICE, "Activate Destinations and View Segments", None)
    SCHEMAS = _Service(
        "Schema Registry",
        SCHEMA_REGISTRY,
        "View Schemas and Manage Schemas",
        Probe("/tenant/schemas", headers=(("Accept", "application/vnd.adobe.xed-id+json"),)),
    )
    CATALOG = _Service("Catalog (datasets)", CATALOG, "View Datasets and Manage Datasets", Probe("/dataSets"))
    DATA_PREP = _Service(
        "Data Prep (mapping sets)",
        DATA_PREP,
        "View Schemas, View Datasets, Manage Sources and Manage Destinations, on which Data Prep relies,",
        Probe("/mappingSets"),
    )
    INLETS = _Service("streaming inlets", "/collection", "Manage Sources", None)

    @property
    def title(self) -> str:
        """What it is called in a report."""
        return self.value.title

    @property
    def base(self) -> str:
        """Where the paths of its requests begin."""
        return self.value.base

    @property
    def permissions(self) -> str:
        """The permissions that it takes, as AEP's Permissions calls them."""
        return self.value.permissions

    @property
    def probe(self) -> Probe | None:
        """What shows whether it may be read; None if it has nothing to read."""
        return self.value.probe

    @property
    def is_changed(self) -> bool:
        """Whether operators change it, and do not only read it."""
        return self.value.changes

    @property
    def shows_creator(self) -> bool:
        """Whether its lists show which credential made an object."""
        return self.value.shows_creator

    @property
    def operators(self) -> tuple[str, ...]:
        """The operators and sensors that do not work without it."""
        return tuple(name for name, needs in NEEDS.items() if self in needs.always)

    @property
    def partly(self) -> tuple[str, ...]:
        """The operators and sensors some of whose uses do not work without it."""
        return tuple(name for name, needs in NEEDS.items() if self in needs.sometimes)


class Needs(Frozen, frozen=True):
    """What an operator or sensor needs.

    :param sometimes: what only some of its uses need, such as a lookup of a name.
    """

    always: frozenset[Service]
    sometimes: frozenset[Service] = frozenset()


def _needs(*always: Service, sometimes: Iterable[Service] = ()) -> Needs:
    return Needs(frozenset(always), frozenset(sometimes))


#: By the name of the operator or sensor, in the order of its module's pages. A test compares it with what each sends.
NEEDS = {
    "FlowServiceCreateConnectionOperator": _needs(Service.CONNECTIONS, Service.CONNECTION_SPECS),
    "FlowServiceCreateSourceConnectionOperator": _needs(
        Service.SOURCE_CONNECTIONS, sometimes=[Service.CONNECTION_SPECS]
    ),
    "FlowServiceCreateTargetConnectionOperator": _needs(
        Service.TARGET_CONNECTIONS, sometimes=[Service.CONNECTION_SPECS]
    ),
    "FlowServiceDeleteConnectionOperator": _needs(
        sometimes=[Service.CONNECTIONS, Service.SOURCE_CONNECTIONS, Service.TARGET_CONNECTIONS, Service.FLOWS]
    ),
    "FlowServiceCreateFlowOperator": _needs(
        Service.FLOWS, sometimes=[Service.FLOW_SPECS, Service.SOURCE_CONNECTIONS]
    ),
    "FlowServiceFindFlowOperator": _needs(Service.FLOWS, sometimes=[Service.FLOW_SPECS]),
    "FlowServiceUpdateFlowOperator": _needs(Service.FLOWS),
    "FlowServiceSetFlowStateOperator": _needs(Service.FLOWS),
    "FlowServicePublishFlowOperator": _needs(
        Service.FLOWS, Service.CONNECTIONS, Service.SOURCE_CONNECTIONS, Service.TARGET_CONNECTIONS
    ),
    "FlowServiceRunFlowOperator": _needs(Service.FLOWS, Service.RUNS),
    "FlowServiceDeleteFlowOperator": _needs(
        Service.FLOWS, Service.SOURCE_CONNECTIONS, Service.TARGET_CONNECTIONS, sometimes=[Service.CONNECTIONS]
    ),
    "FlowServicePruneFlowsOperator": _needs(
        Service.FLOWS, sometimes=[Service.CONNECTIONS, Service.SOURCE_CONNECTIONS, Service.TARGET_CONNECTIONS]
    ),
    "FlowServiceFlowRunReportOperator": _needs(Service.RUNS, sometimes=[Service.FLOWS]),
    "FlowServiceActivateSegmentsOperator": _needs(Service.FLOWS, sometimes=[Service.AUDIENCES]),
    "FlowServiceAdHocActivationOperator": _needs(Service.AD_HOC, Service.RUNS, sometimes=[Service.AUDIENCES]),
    "FlowServicePostToInletOperator": _needs(Service.INLETS, sometimes=[Service.CONNECTIONS, Service.FLOWS]),
    "FlowServiceCreateSchemaOperator": _needs(Service.SCHEMAS),
    "FlowServiceCreateDatasetOperator": _needs(Service.CATALOG, sometimes=[Service.SCHEMAS]),
    "FlowServiceCreateMappingSetOperator": _needs(Service.DATA_PREP),
    "FlowServiceFlowValidationSensor": _needs(Service.FLOWS, sometimes=[Service.AUDIENCES]),
    "FlowServiceFlowStateSensor": _needs(Service.FLOWS),
    "FlowServiceFlowRunSensor": _needs(Service.RUNS),
}
#: Every operator and sensor: nothing works without a token, for example.
EVERYTHING = tuple(NEEDS)
