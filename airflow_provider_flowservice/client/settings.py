"""Everything that one connection to AEP needs, checked before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import SplitResult, urlsplit

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.model import Frozen

DEFAULT_GATEWAY = "https://platform.adobe.io"
DEFAULT_IMS_HOST = "https://ims-na1.adobelogin.com"
DEFAULT_COLLECTION_HOST = "https://dcs.adobedc.net"
DEFAULT_SCOPES = "openid,AdobeID,read_organizations,additional_info.projectedProductContext,session"
_DEFAULT_PORTS = {"https": ":443", "http": ":80"}
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


class Settings(Frozen, frozen=True):
    """One AEP credential in one sandbox, and how to reach it.

    Build it with :func:`settings_from`, which checks every value.

    :param gateway: origin of the API gateway, such as ``https://platform.adobe.io``.
    :param ims_host: origin of Adobe's identity service.
    :param collection_host: origin of the streaming inlets, the only other place a token may go.
    :param org_id: organization id, ``...@AdobeOrg``.
    :param sandbox: sandbox name, always sent.
    :param client_id: the credential's client id, also the ``x-api-key``.
    :param client_secret: secret of an OAuth server-to-server credential, or None with ``access_token``.
    :param access_token: a ready token for those who have no client secret.
    :param scopes: comma separated IMS scopes.
    :param connect_timeout: seconds to make a connection.
    :param read_timeout: seconds without a byte before a response counts as lost.
    :param retries: how often one request is sent again at most.
    :param retry_budget: seconds that one request may take with all its retries.
    :param proxy: proxy URL; None takes the environment's.
    :param ca_file: file of CA certificates; None takes the environment's.
    :param token_cache: ``file`` shares tokens among the processes of one machine.
    """

    hidden: ClassVar = frozenset({"client_secret", "access_token", "proxy"})

    gateway: str
    ims_host: str
    collection_host: str
    org_id: str
    sandbox: str
    client_id: str
    client_secret: str | None = None
    access_token: str | None = None
    scopes: str = DEFAULT_SCOPES
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    retries: int = 4
    retry_budget: float = 300.0
    proxy: str | None = None
    ca_file: str | None = None
    token_cache: str | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must not be shown anywhere."""
        proxy_password = urlsplit(self.proxy).password if self.proxy else None
        return tuple(value for value in (self.client_secret, self.access_token, proxy_password) if value)


def settings_from(
    *,
    host: str | None,
    client_id: str | None,
    client_secret: str | None,
    extras: Mapping[str, Any],
    sandbox: str | None = None,
    where: str = "connection",
) -> Settings:
    """Check and complete what a user wrote into a connection.

    :param host: gateway, a host name or an origin; empty means Adobe's.
    :param client_id: client id of the credential.
    :param client_secret: client secret, unless ``extras`` has ``access_token``.
    :param extras: the other settings by name; an unknown name is an error.
    :param sandbox: sandbox to use instead of the one in ``extras``.
    :param where: how the connection is called in error messages.
    :raises InvalidInputError: naming the field, its value and the remedy.
    """
    known = {k: v for k, v in extras.items() if v not in (None, "")}
    unknown = sorted(set(known) - _EXTRAS)
    if unknown:
        raise InvalidInputError(
            f"extra {unknown[0]!r} of {where}", "is not known", f"Known are: {', '.join(sorted(_EXTRAS))}."
        )
    return Settings(
        gateway=_origin("host", host or DEFAULT_GATEWAY, where),
        ims_host=_origin("ims_host", _text("ims_host", known, where) or DEFAULT_IMS_HOST, where),
        collection_host=_origin(
            "collection_host", _text("collection_host", known, where) or DEFAULT_COLLECTION_HOST, where
        ),
        org_id=_org_id(_text("org_id", known, where), where),
        sandbox=_sandbox(sandbox or _text("sandbox", known, where), where),
        client_id=_required("login", client_id, where, "Put the credential's client id there."),
        client_secret=client_secret or None,
        access_token=_access_token(_text("access_token", known, where), client_secret, where),
        scopes=(_text("scopes", known, where) or DEFAULT_SCOPES).replace(" ", ""),
        connect_timeout=_positive("connect_timeout", known.get("connect_timeout", 10.0), where),
        read_timeout=_positive("read_timeout", known.get("read_timeout", 60.0), where),
        retries=_whole("retries", known.get("retries", 4), where),
        retry_budget=_positive("retry_budget", known.get("retry_budget", 300.0), where),
        proxy=_proxy(_text("proxy", known, where), where),
        ca_file=_text("ca_file", known, where),
        token_cache=_token_cache(_text("token_cache", known, where), where),
    )


#: What the extras of a connection may hold; the other settings have fields of their own there.
_EXTRAS = frozenset(Settings.__struct_fields__) - {"gateway", "client_id", "client_secret"}


def origin_of(url: SplitResult) -> str:
    """Scheme, host and port of a URL, as ``https://host`` or ``https://host:port``; a default port is left out."""
    place = url.netloc.rpartition("@")[2].lower()
    return f"{url.scheme}://{place.removesuffix(_DEFAULT_PORTS.get(url.scheme, ':'))}"


def _required(name: str, value: str | None, where: str, remedy: str) -> str:
    if not value or not str(value).strip():
        raise InvalidInputError(f"{name} of {where}", "is empty", remedy)
    return str(value).strip()


def _text(name: str, extras: Mapping[str, Any], where: str) -> str | None:
    value = extras.get(name)
    if value is not None and not isinstance(value, str):
        # The value is not shown: it may be a credential.
        raise InvalidInputError(f"extra {name!r} of {where}", "is not a string", "Write it in quotes.")
    return value


def _org_id(value: str | None, where: str) -> str:
    org_id = _required(
        "extra 'org_id'", value, where, 'Write the organization id there, such as {"org_id": "...@AdobeOrg"}.'
    )
    if not org_id.endswith("@AdobeOrg"):
        raise InvalidInputError(
            f"extra 'org_id' of {where}", f"{org_id!r} is not an organization id", "It ends with @AdobeOrg."
        )
    return org_id


def _sandbox(value: str | None, where: str) -> str:
    return _required(
        "extra 'sandbox'",
        value,
        where,
        "Write the sandbox name there or give sandbox= to the operator. There is no default, because AEP's own"
        " default is prod: write prod out.",
    )


def _access_token(token: str | None, client_secret: str | None, where: str) -> str | None:
    if not token and not client_secret:
        raise InvalidInputError(
            f"password of {where}",
            "is empty",
            "Put the client secret there, or a ready token into the extra 'access_token'.",
        )
    return token


def _token_cache(value: str | None, where: str) -> str | None:
    if value not in (None, "file"):
        raise InvalidInputError(
            f"extra 'token_cache' of {where}", f"{value!r} is not known", "Write file, or leave it out."
        )
    return value


def _origin(name: str, value: str, where: str) -> str:
    url = _split(value, "https")
    if url is None or url.path.strip("/") or url.query or url.username:
        raise InvalidInputError(
            f"{name} of {where}",
            f"{value!r} is not a host",
            "Write a host name or an origin such as https://host.",
        )
    if url.scheme != "https" and not (url.scheme == "http" and url.hostname in LOOPBACK_HOSTS):
        raise InvalidInputError(
            f"{name} of {where}", f"{value!r} is not https", "Plain http is accepted for loopback only."
        )
    return origin_of(url)


def _proxy(value: str | None, where: str) -> str | None:
    if value is None:
        return None
    url = _split(value, "http")
    if url is None or url.scheme not in ("http", "https"):
        # The value is not shown: it may hold a password.
        raise InvalidInputError(
            f"extra 'proxy' of {where}",
            "is not a proxy URL",
            "Write one such as http://proxy.example.com:3128.",
        )
    return url.geturl()


def _split(value: str, scheme: str) -> SplitResult | None:
    """The parts of a URL that has a host, or None; without a scheme it gets ``scheme``."""
    text = value.strip()
    try:
        url = urlsplit(text if "://" in text else f"{scheme}://{text}")
        port_is_a_number = url.port is None or url.port > 0
    except ValueError:
        return None
    return url if url.hostname and port_is_a_number and not set(url.netloc) & set(" \t\\") else None


def _positive(name: str, value: Any, where: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = 0.0
    if not 0 < number < float("inf"):
        raise InvalidInputError(
            f"extra {name!r} of {where}", f"{value!r} is not a positive number", "Write seconds, such as 30."
        )
    return number


def _whole(name: str, value: Any, where: str) -> int:
    try:
        number = int(str(value))
    except ValueError:
        number = -1
    if number < 0:
        raise InvalidInputError(
            f"extra {name!r} of {where}", f"{value!r} is not a whole number", "Write 0 or more."
        )
    return number
