"""Datasets in OpenLineage's events: what tasks read and write.

This imports OpenLineage, which is optional. Operators import it when Airflow's OpenLineage provider asks them, and that
provider does when it translates an asset.

AEP's own datasets have the namespace ``flowservice://<sandbox>``. Their names are like the end of an asset's URI:
``flows/<flow id>``, ``segments/<segment id>``, ``datasets/<dataset id>``, ``sourceConnections/<id>``,
``targetConnections/<id>``, ``connections/<id>`` (a base connection, which has an inlet), ``inlets/<inlet id>`` and
``profiles`` (the profile store). Everything else has the name that OpenLineage's naming conventions give it, so that it
is the same dataset in the events of other systems.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from glob import has_magic
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from airflow.providers.openlineage.extractors import OperatorLineage
from openlineage.client.event_v2 import Dataset, InputDataset, OutputDataset
from openlineage.client.facet_v2 import input_statistics_input_dataset, output_statistics_output_dataset

from airflow_provider_flowservice.client import specs
from airflow_provider_flowservice.client.flows import Shown
from airflow_provider_flowservice.client.model import objects

if TYPE_CHECKING:
    from airflow.sdk import Asset

_NAMESPACE = "flowservice://{}"
#: Names of the same store in URIs and in OpenLineage.
_SCHEMES = {"s3a": "s3", "s3n": "s3", "gcs": "gs"}
_BUCKETS = {specs.AMAZON_S3: "s3", specs.GOOGLE_CLOUD_STORAGE: "gs"}


class Lineage:
    """What a task has read and written, in a sandbox of AEP and elsewhere.

    :param sandbox: name of the sandbox. Names of datasets have no organization, as it must not be known to everyone who
        sees lineage.
    """

    def __init__(self, sandbox: str) -> None:
        self._namespace = _NAMESPACE.format(quote(sandbox, safe=""))
        self._inputs: list[InputDataset] = []
        self._outputs: list[OutputDataset] = []

    def read(self, kind: str, ids: Iterable[str | None], *, rows: int | None = None) -> None:
        """Add datasets of AEP that were read.

        :param kind: what they are in AEP, in the plural.
        :param ids: those that are None are left out.
        :param rows: number of records; None if it is not known.
        """
        facets = {"inputStatistics": _InputStatistics(rowCount=rows)} if rows is not None else {}
        for name in _names(kind, ids):
            self._inputs.append(InputDataset(self._namespace, name, inputFacets={**facets}))

    def write(self, kind: str, ids: Iterable[str | None], *, rows: int | None = None) -> None:
        """Add datasets of AEP that were written; as for :meth:`read`."""
        facets = {"outputStatistics": _OutputStatistics(rowCount=rows)} if rows is not None else {}
        for name in _names(kind, ids):
            self._outputs.append(OutputDataset(self._namespace, name, outputFacets={**facets}))

    def read_segments(self, ids: Iterable[str]) -> None:
        """Add segments that were read."""
        self.read("segments", ids)

    def read_from_source(self, spec_id: str, base_id: str | None, params: Mapping[str, Any]) -> None:
        """Add what a source connection reads, if its own parameters tell.

        :param spec_id: id of the connection spec.
        :param base_id: id of the base connection.
        :param params: parameters of the source connection.
        """
        if spec_id == specs.UNIFIED_PROFILE_SERVICE:
            self._inputs.append(InputDataset(self._namespace, "profiles"))
        elif spec_id == specs.DATA_LAKE_EXPORT:
            self.read(Shown.DATASET, [each.get("dataSetId") for each in objects(params, "datasets")])
        elif spec_id == specs.HTTP_API:
            self.read(Shown.BASE_CONNECTION, [base_id])

    def read_files(self, url: str, *, rows: int | None = None) -> None:
        """Add files that were read.

        :param url: their URL; a pattern stands for the folder above what it matches.
        :param rows: number of records in them; None if it is not known.
        """
        facets = {"inputStatistics": _InputStatistics(rowCount=rows)} if rows is not None else {}
        self._inputs.append(InputDataset(*_file_name(url), inputFacets={**facets}))

    def write_to_target(self, spec_id: str, params: Mapping[str, Any]) -> None:
        """Add what a target connection leads to, if its own parameters tell.

        The host of an event hub, for example, is a parameter of the base connection.

        :param spec_id: id of the connection spec.
        :param params: parameters of the target connection.
        """
        if spec_id == specs.DATA_LAKE:
            self.write(Shown.DATASET, [params.get("dataSetId")])
        elif name := _name_of_target(spec_id, params):
            self._outputs.append(OutputDataset(*name))

    def to_operator_lineage(self) -> OperatorLineage[Any, Any]:
        """Return it as the OpenLineage provider takes it."""
        return OperatorLineage(inputs=self._inputs, outputs=self._outputs)


def asset_dataset(asset: Asset, lineage_context: Any) -> Dataset:  # noqa: ARG001 (Airflow gives it)
    """Return the dataset of a flow's asset, for the inlets and outlets of other tasks. Airflow calls this.

    :param lineage_context: the hook or operator that has the asset, which does not matter here.
    """
    _, sandbox, name = urlsplit(asset.uri).path.split("/", 2)
    return Dataset(_NAMESPACE.format(sandbox), name)


_InputStatistics = input_statistics_input_dataset.InputStatisticsInputDatasetFacet
_OutputStatistics = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet


def _names(kind: str, ids: Iterable[str | None]) -> list[str]:
    return [f"{kind}/{each}" for each in ids if each]


def _file_name(url: str) -> tuple[str, str]:
    """Return namespace and name of a file. What precedes the host is an Airflow connection, and left out."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "file", url
    host, slash, path = rest.partition("/")
    host = host.rpartition("@")[2]
    parts = path.split("/")
    fixed = next((index for index, part in enumerate(parts) if has_magic(part)), len(parts))
    path = "/".join(parts[:fixed])
    scheme = _SCHEMES.get(scheme, scheme)
    if scheme == "file":
        return (f"file://{host}" if host else "file"), f"{slash}{path}"
    return f"{scheme}://{host}", path or "/"


def _name_of_target(spec_id: str, params: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return namespace and name of what a target connection of a destination leads to; None if that is not known.

    OpenLineage has no convention for Kinesis; this one is like that for Athena.
    """
    if spec_id == specs.AMAZON_KINESIS and params.get("stream") and params.get("region"):
        return f"kinesis://kinesis.{params['region']}.amazonaws.com", str(params["stream"])
    if spec_id in _BUCKETS and params.get("bucketName"):
        path = str(params.get("path") or "").strip("/")
        return f"{_BUCKETS[spec_id]}://{params['bucketName']}", path or "/"
    return None
