"""The settings of a connection to AEP, validated before any request is sent."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, ClassVar
from urllib.parse import SplitResult, unquote, urlsplit

import msgspec

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.model import Frozen
from airflow_provider_flowservice.client.text import header_value
from airflow_provider_flowservice.connection_fields import EXTRAS, field_name

DEFAULT_GATEWAY = "https://platform.adobe.io"
DEFAULT_IMS_HOST = "https://ims-na1.adobelogin.com"
DEFAULT_COLLECTION_HOST = "https://dcs.adobedc.net"
DEFAULT_SCOPES = "openid,AdobeID,read_organizations,additional_info.projectedProductContext,session"
_DEFAULT_PORTS = {"https": ":443", "http": ":80"}
#: If this environment variable is set, it contains the settings of a test's emulator as JSON: every connection
#: leads to that emulator, and nothing is sent to another host. The fixture ``flowservice_emulator`` sets it.
TEST_EMULATOR_VARIABLE = "AIRFLOW_FLOWSERVICE_TEST_EMULATOR"
#: The settings that a connection keeps when it leads to a test's emulator.
_KEPT_IN_TESTS = ("sandbox", "connect_timeout", "read_timeout", "retries", "retry_budget")
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


def is_loopback(origin: str) -> bool:
    """Whether an origin is on this machine."""
    return urlsplit(origin).hostname in LOOPBACK_HOSTS


class Settings(Frozen, frozen=True):
    """A credential for one AEP sandbox, and the servers that it is used with.

    Create instances with :func:`settings_from`, which validates every value.

    :param gateway: origin of the API gateway, such as ``https://platform.adobe.io``.
    :param ims_host: origin of Adobe's identity service.
    :param collection_host: origin of the streaming inlets. Apart from the gateway, the only host that receives a token.
    :param org_id: organization id, ``...@AdobeOrg``.
    :param sandbox: sandbox name, sent with every request to the gateway.
    :param client_id: client id of the credential, also sent as ``x-api-key``.
    :param client_secret: secret of an OAuth server-to-server credential; None if ``access_token`` is set.
    :param access_token: an existing access token, for users who have no client secret.
    :param scopes: comma-separated IMS scopes.
    :param connect_timeout: maximum time in seconds to establish a connection.
    :param read_timeout: maximum time in seconds between two bytes before the response counts as lost.
    :param retries: maximum number of times that a request is sent again.
    :param retry_budget: maximum time in seconds for a request, including all retries.
    :param proxy: proxy URL; None uses the proxy of the environment.
    :param ca_file: path to a file of CA certificates; None uses the file of the environment.
    :param token_cache: ``file`` shares tokens among all processes on a machine.
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
    #: Linux repeats a lost SYN packet after 1, 3 and 7 s; a server that does not accept by then is unreachable.
    connect_timeout: float = 10.0
    #: AEP usually responds within seconds; a connection that is silent for a minute is considered broken.
    read_timeout: float = 60.0
    #: Four retries with waits of up to 1, 2, 4 and 8 s bridge brief disturbances; longer ones are left to the retries
    #: of the Airflow task.
    retries: int = 4
    #: A ``Retry-After`` of up to a minute is honored: five minutes hold four such waits and the attempts themselves.
    retry_budget: float = 300.0
    proxy: str | None = None
    ca_file: str | None = None
    token_cache: str | None = None

    @property
    def is_emulated(self) -> bool:
        """Whether the gateway is an emulator's: AEP itself is never on this machine."""
        return is_loopback(self.gateway)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must not appear in any log or error message."""
        password = urlsplit(self.proxy).password if self.proxy else None
        # A URL has it percent-encoded, and the proxy gets it decoded.
        passwords = {password, unquote(password)} if password else ()
        return tuple(value for value in (self.client_secret, self.access_token, *passwords) if value)


def active_emulator() -> Settings | None:
    """Return the settings of the test's emulator that is active, or None.

    :raises InvalidInputError: if the environment variable does not contain settings.
    """
    text = os.environ.get(TEST_EMULATOR_VARIABLE)
    if not text:
        return None
    try:
        return msgspec.json.decode(text, type=Settings)
    except msgspec.MsgspecError as problem:
        remedy = "Unset it; the fixture flowservice_emulator sets it in tests."
        raise InvalidInputError(
            TEST_EMULATOR_VARIABLE, f"does not contain settings: {problem}", remedy
        ) from None


def in_test(emulator: Settings, settings: Settings | None, sandbox: str | None) -> Settings:
    """Return the emulator's settings with the sandbox, timeouts and retries of a connection.

    :param settings: settings of the connection; None if Airflow has no such connection.
    :param sandbox: sandbox to use if Airflow has no such connection; None means the emulator's own.
    """
    if settings is None:
        return msgspec.structs.replace(emulator, sandbox=emulator.sandbox if sandbox is None else sandbox)
    return msgspec.structs.replace(emulator, **{name: getattr(settings, name) for name in _KEPT_IN_TESTS})


def settings_from(
    *,
    host: str | None,
    port: int | None = None,
    client_id: str | None,
    client_secret: str | None,
    extras: Mapping[str, Any],
    sandbox: str | None = None,
    where: str = "connection",
) -> Settings:
    """Validate the fields of a connection and fill in the defaults.

    :param host: host name or origin of the gateway; if empty, Adobe's gateway.
    :param port: port of the gateway, if ``host`` does not contain it. 0 means none: Airflow's form sends it if empty.
    :param client_id: client id of the credential.
    :param client_secret: client secret; required unless ``extras`` contains ``access_token``.
    :param extras: the other settings by name; unknown names are rejected.
    :param sandbox: overrides the sandbox in ``extras``.
    :param where: name of the connection in error messages.
    :raises InvalidInputError: if a value is missing or invalid.
    """
    known = {k: v for k, v in extras.items() if v not in (None, "")}
    unknown = sorted(set(known) - set(EXTRAS))
    if unknown:
        remedy = f"Choose one of: {', '.join(sorted(EXTRAS))}."
        raise InvalidInputError(f"extra {unknown[0]!r} of {where}", "is not supported", remedy)
    # Pasting leaves a line ending, with which IMS does not know the secret.
    client_secret = (client_secret or "").strip() or None
    return Settings(
        gateway=_gateway(host or DEFAULT_GATEWAY, port, where),
        ims_host=_origin("ims_host", _text("ims_host", known, where) or DEFAULT_IMS_HOST, where),
        collection_host=_origin(
            "collection_host", _text("collection_host", known, where) or DEFAULT_COLLECTION_HOST, where
        ),
        org_id=_org_id(_text("org_id", known, where), where),
        sandbox=_sandbox(_text("sandbox", known, where) if sandbox is None else sandbox, where),
        client_id=_for_header("login", client_id, where, "Set it to the client id of the credential."),
        client_secret=client_secret,
        access_token=_access_token(_text("access_token", known, where), client_secret, where),
        scopes=(_text("scopes", known, where) or DEFAULT_SCOPES).replace(" ", ""),
        proxy=_proxy(_text("proxy", known, where), where),
        ca_file=_text("ca_file", known, where),
        token_cache=_token_cache(_text("token_cache", known, where), where),
        **{name: read(name, known[name], where) for name, read in _NUMBERS.items() if name in known},
    )


def origin_of(url: SplitResult) -> str:
    """Scheme, host and port of a URL, as ``https://host`` or ``https://host:port``. A default port is omitted."""
    place = url.netloc.rpartition("@")[2].lower()
    return f"{url.scheme}://{place.removesuffix(_DEFAULT_PORTS.get(url.scheme, ':'))}"


def _place(name: str, where: str) -> str:
    return f"{field_name(name)} of {where}"


def _required(name: str, value: str | None, where: str, remedy: str) -> str:
    if not value or not str(value).strip():
        raise InvalidInputError(_place(name, where), "is empty", remedy)
    return str(value).strip()


def _for_header(name: str, value: str | None, where: str, remedy: str) -> str:
    return header_value(_place(name, where), _required(name, value, where, remedy), remedy)


def _text(name: str, extras: Mapping[str, Any], where: str) -> str | None:
    value = extras.get(name)
    if value is not None and not isinstance(value, str):
        # The value is not shown: it may be a credential.
        raise InvalidInputError(_place(name, where), "is not a string", "Put it in quotes.")
    return value


def _org_id(value: str | None, where: str) -> str:
    org_id = _for_header("org_id", value, where, "Set it to the organization id, which ends with @AdobeOrg.")
    if not org_id.endswith("@AdobeOrg"):
        remedy = "It must end with @AdobeOrg."
        raise InvalidInputError(_place("org_id", where), f"{org_id!r} is not an organization id", remedy)
    return org_id


def _sandbox(value: str | None, where: str) -> str:
    return _for_header(
        "sandbox",
        value,
        where,
        "Set it to the sandbox name, or pass sandbox= to the operator. There is no default, because AEP's own"
        " default is prod; to use prod, name it.",
    )


def _access_token(token: str | None, client_secret: str | None, where: str) -> str | None:
    token = token.strip() if token else None
    if not token and not client_secret:
        remedy = f"Set it to the client secret, or set {field_name('access_token')} to an existing token."
        raise InvalidInputError(_place("password", where), "is empty", remedy)
    remedy = "Set it to the token alone, on one line."
    return header_value(_place("access_token", where), token, remedy, secret=True) if token else None


def _token_cache(value: str | None, where: str) -> str | None:
    if value not in (None, "file"):
        remedy = "Set it to 'file', or remove it."
        raise InvalidInputError(_place("token_cache", where), f"{value!r} is not supported", remedy)
    return value


def _origin(name: str, value: str, where: str) -> str:
    url = _split(value, "https")
    if url is None or url.path.strip("/") or url.query or url.username:
        remedy = "Set it to a host name, or to an origin such as https://host."
        # What stands before an @ may be a password.
        shown = repr(value) if "@" not in value else "what it contains"
        raise InvalidInputError(_place(name, where), f"{shown} is not a host", remedy)
    if url.scheme != "https" and not (url.scheme == "http" and url.hostname in LOOPBACK_HOSTS):
        remedy = "Use https; plain http is accepted for loopback only."
        raise InvalidInputError(_place(name, where), f"{value!r} does not use https", remedy)
    return origin_of(url)


def _gateway(host: str, port: int | None, where: str) -> str:
    origin = _origin("host", host, where)
    if not port:
        return origin
    if not 0 < port < 65536:
        remedy = "Set it to a number from 1 to 65535, or clear it."
        raise InvalidInputError(_place("port", where), f"{port} is not a port", remedy)
    in_host = urlsplit(host if "://" in host else f"//{host}").port
    if in_host is None:
        return origin_of(urlsplit(f"{origin}:{port}"))
    if in_host != port:
        problem = f"{port} is not {in_host}, the port in {field_name('host')}"
        raise InvalidInputError(_place("port", where), problem, "Clear one of them.")
    return origin


def _proxy(value: str | None, where: str) -> str | None:
    return None if value is None else proxy_url(_place("proxy", where), value)


def proxy_url(field: str, value: str) -> str:
    """Validate the URL of a proxy, and add the scheme if there is none.

    :param field: name of the setting, for the error, which never shows the value: it may contain a password.
    :raises InvalidInputError: if it is not a URL of a proxy.
    """
    url = _split(value, "http")
    # A path or a fragment is the rest of a password with characters that a URL must have percent-encoded.
    ends_early = url is not None and (url.path.strip("/") or url.query or url.fragment)
    if url is None or ends_early or url.scheme not in ("http", "https"):
        remedy = (
            "Set it to a URL such as http://proxy.example.com:3128, with special characters of a password"
            " percent-encoded."
        )
        raise InvalidInputError(field, "is not a proxy URL", remedy)
    return url.geturl()


def _split(value: str, scheme: str) -> SplitResult | None:
    """Split a URL, adding ``scheme`` if it has none; None if it is not a URL with a valid host and port."""
    text = value.strip()
    try:
        url = urlsplit(text if "://" in text else f"{scheme}://{text}")
        port_is_a_number = url.port is None or url.port > 0
        (url.hostname or "").encode("idna")  # no library can look up another name
    except ValueError:
        return None
    return url if url.hostname and port_is_a_number and not set(url.netloc) & set(" \t\\") else None


def _positive(name: str, value: Any, where: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = 0.0
    if not 0 < number < float("inf"):
        remedy = "Set it to seconds, such as 30."
        raise InvalidInputError(_place(name, where), f"{value!r} is not a positive number", remedy)
    return number


def _whole(name: str, value: Any, where: str) -> int:
    try:
        number = int(str(value))
    except ValueError:
        number = -1
    if number < 0:
        problem = f"{value!r} is not a whole number of 0 or more"
        remedy = "Set it to a number such as 4."
        raise InvalidInputError(_place(name, where), problem, remedy)
    return number


_NUMBERS: dict[str, Callable[[str, Any, str], Any]] = {
    "connect_timeout": _positive,
    "read_timeout": _positive,
    "retries": _whole,
    "retry_budget": _positive,
}
