"""Assets for flows in AEP: ``flowservice://<organization>/<sandbox>/flows/<flow id>``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, quote

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.model import is_uuid
from airflow_provider_flowservice.client.values import shown

if TYPE_CHECKING:
    from airflow.sdk import Asset, AssetWatcher

SCHEME = "flowservice"
#: All organization ids end with it. In a URI, it would turn the id into a user name.
_ORG_SUFFIX = "@adobeorg"


def flow_asset(
    flow_id: str, *, org_id: str, sandbox: str, name: str | None = None, watchers: Sequence[AssetWatcher] = ()
) -> Asset:
    """Return the asset for a flow.

    :param flow_id: id of the flow.
    :param org_id: organization id, with or without ``@AdobeOrg``.
    :param sandbox: name of the sandbox.
    :param name: name of the asset; its URI by default. Events through an ``AssetAlias`` are events of the asset with
        the default name.
    :param watchers: watchers of the asset, for example with a
        :class:`~airflow_provider_flowservice.triggers.events.FlowRunCompletedTrigger`.
    :raises InvalidInputError: if an argument is invalid.
    """
    from airflow.sdk import Asset

    for field, value in (("org_id", org_id), ("sandbox", sandbox)):
        if not isinstance(value, str) or not value:
            raise InvalidInputError(field, f"{shown(value)} is not a name", "Give the name that AEP shows.")
    uri = f"{SCHEME}://{quote(_without_suffix(org_id))}/{quote(sandbox, safe='')}/flows/{checked_id(flow_id)}"
    return Asset(name=name or uri, uri=uri, watchers=list(watchers))


def flow_id_of(uri: str) -> str | None:
    """Return the id of the flow of an asset, in lower case; None if the asset is not a flow.

    :param uri: URI of the asset, as normalized by Airflow.
    """
    return uri.rpartition("/")[2] if uri.startswith(f"{SCHEME}://") else None


def checked_id(flow_id: object) -> str:
    """Return the id of a flow in lower case.

    :raises InvalidInputError: if it is something else.
    """
    if isinstance(flow_id, str) and is_uuid(flow_id):
        return flow_id.lower()
    remedy = (
        "Give the id of the flow. Templates are not rendered here: assets are known when the DAG is parsed."
    )
    raise InvalidInputError("flow_id", f"{shown(flow_id)} is not an id", remedy)


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """Return the normalized URI of an asset. Airflow calls this for each URI with the scheme ``flowservice``.

    :raises ValueError: if it is not the URI of a flow.
    """
    org_id = _without_suffix(uri.netloc)
    _, *parts = uri.path.split("/")
    if not (org_id and len(parts) == 3 and parts[0] and parts[1] == "flows" and is_uuid(parts[2])):
        raise ValueError(
            f"{uri.geturl()!r} is not the URI of a flow: {SCHEME}://<organization>/<sandbox>/flows/<flow id>"
        )
    path = "/".join(("", *parts[:2], parts[2].lower()))
    return uri._replace(netloc=org_id, path=path, query="", fragment="")


def _without_suffix(org_id: str) -> str:
    return org_id[: -len(_ORG_SUFFIX)] if org_id.lower().endswith(_ORG_SUFFIX) else org_id
