from __future__ import annotations

import re
from typing import Any

import pytest

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.settings import Settings, settings_from
from airflow_provider_flowservice.connection_fields import field_name

SECRET = "client/secret+of=tests"
TOKEN = "eyJ.ready.token"


def read(**changes: Any) -> Settings:
    """Settings from a valid connection; ``changes`` go to arguments or extras, None leaves one out."""
    arguments: dict[str, Any] = {"host": None, "client_id": "me", "client_secret": SECRET, "sandbox": None}
    arguments["port"] = None
    extras: dict[str, Any] = {"org_id": "5C0FFEE@AdobeOrg", "sandbox": "dev"}
    for name, value in changes.items():
        (arguments if name in ("host", "port", "client_id", "client_secret") else extras)[name] = value
    return settings_from(**arguments, extras=extras, where="connection 'aep'")


def test_what_is_left_out_has_adobes_values() -> None:
    settings = read()
    assert settings.gateway == "https://platform.adobe.io"
    assert settings.ims_host == "https://ims-na1.adobelogin.com"
    assert settings.collection_host == "https://dcs.adobedc.net"
    assert settings.scopes.startswith("openid,AdobeID,")
    assert (settings.connect_timeout, settings.read_timeout) == (10.0, 60.0)
    assert (settings.retries, settings.retry_budget) == (4, 300.0)
    assert (settings.proxy, settings.ca_file, settings.access_token) == (None, None, None)


@pytest.mark.parametrize(
    ("field", "value", "attribute", "read_as"),
    [
        ("client_secret", f"{SECRET}\n", "client_secret", SECRET),
        ("host", "platform.adobe.io", "gateway", "https://platform.adobe.io"),
        ("host", "https://Platform.Adobe.IO/", "gateway", "https://platform.adobe.io"),
        ("host", "https://gateway:8443", "gateway", "https://gateway:8443"),
        ("host", "http://127.0.0.1:8765", "gateway", "http://127.0.0.1:8765"),
        ("host", "http://localhost", "gateway", "http://localhost"),
        ("host", "http://[::1]:80", "gateway", "http://[::1]"),
        ("ims_host", "ims-eu.adobelogin.com", "ims_host", "https://ims-eu.adobelogin.com"),
        ("collection_host", "dcs.example.com", "collection_host", "https://dcs.example.com"),
        ("scopes", "openid, AdobeID", "scopes", "openid,AdobeID"),
        ("connect_timeout", "2.5", "connect_timeout", 2.5),
        ("read_timeout", 90, "read_timeout", 90.0),
        ("retries", "0", "retries", 0),
        ("retry_budget", 5, "retry_budget", 5.0),
        ("client_id", " me ", "client_id", "me"),
        ("sandbox", "prod", "sandbox", "prod"),
        ("proxy", "http://proxy:3128", "proxy", "http://proxy:3128"),
        ("proxy", "proxy:3128", "proxy", "http://proxy:3128"),
        ("proxy", "", "proxy", None),
        ("ca_file", None, "ca_file", None),
    ],
)
def test_a_value_is_read(field: str, value: object, attribute: str, read_as: object) -> None:
    assert getattr(read(**{field: value}), attribute) == read_as


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        (
            "org_id",
            None,
            "Organization ID (extra org_id) of connection 'aep': is empty. Set it to the organization id",
        ),
        ("org_id", " ", "Organization ID (extra org_id) of connection 'aep': is empty"),
        (
            "org_id",
            "5C0FFEE",
            "Organization ID (extra org_id) of connection 'aep': '5C0FFEE' is not an organization id. It must end",
        ),
        (
            "sandbox",
            None,
            "Sandbox (extra sandbox) of connection 'aep': is empty. Set it to the sandbox name, or pass",
        ),
        ("sandbox", "", "to use prod, name it"),
        ("client_id", None, "Client ID (login) of connection 'aep': is empty. Set it to the client id of"),
        ("client_id", "  ", "Client ID (login) of connection 'aep': is empty"),
        (
            "client_secret",
            " \n",
            "Client secret (password) of connection 'aep': is empty. Set it to the client secret",
        ),
        (
            "client_secret",
            None,
            "Client secret (password) of connection 'aep': is empty. Set it to the client secret",
        ),
        (
            "host",
            "http://platform.adobe.io",
            "API gateway (host) of connection 'aep': 'http://platform.adobe.io' does not use https",
        ),
        ("host", "http://127.0.0.1.evil.test", "Use https; plain http is accepted for loopback only"),
        ("host", "ftp://platform.adobe.io", "does not use https"),
        (
            "host",
            "https://platform.adobe.io/data",
            "is not a host. Set it to a host name, or to an origin such as",
        ),
        ("host", "https://host?x=1", "is not a host"),
        ("host", "https://a..b", "'https://a..b' is not a host"),
        ("ims_host", f"{'a' * 64}.test", "is not a host"),
        ("host", "https://me:pw@host", "is not a host"),
        ("host", "https://", "is not a host"),
        (
            "ims_host",
            "http://ims",
            "IMS host (extra ims_host) of connection 'aep': 'http://ims' does not use https",
        ),
        (
            "collection_host",
            "https://h/collection",
            "Collection host (extra collection_host) of connection 'aep': ",
        ),
        (
            "connect_timeout",
            0,
            "Connect timeout (extra connect_timeout) of connection 'aep': 0 is not a positive",
        ),
        ("connect_timeout", "fast", "'fast' is not a positive number. Set it to seconds, such as 30"),
        (
            "read_timeout",
            -1,
            "Read timeout (extra read_timeout) of connection 'aep': -1 is not a positive number",
        ),
        ("read_timeout", "inf", "'inf' is not a positive number"),
        ("read_timeout", "nan", "'nan' is not a positive number"),
        (
            "retry_budget",
            [5],
            "Retry budget (extra retry_budget) of connection 'aep': [5] is not a positive number",
        ),
        (
            "retries",
            -1,
            "Retries (extra retries) of connection 'aep': -1 is not a whole number of 0 or more. Set it to",
        ),
        ("retries", "2.5", "'2.5' is not a whole number"),
        ("retries", "many", "'many' is not a whole number"),
        (
            "verify",
            False,
            "extra 'verify' of connection 'aep': is not supported. Choose one of: access_token, ca_file",
        ),
        ("sandbx", "dev", "extra 'sandbx' of connection 'aep': is not supported"),
    ],
)
def test_a_bad_value_is_refused_with_field_value_and_remedy(field: str, value: object, problem: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        read(**{field: value})
    assert problem in caught.value.message
    assert caught.value.remedy
    assert SECRET not in caught.value.message


@pytest.mark.parametrize("host", ["https://host:port", "https://host:99999", "https://[::1", "https://h h"])
def test_a_host_that_no_url_can_hold_is_refused(host: str) -> None:
    with pytest.raises(InvalidInputError, match=r"^API gateway \(host\) of connection 'aep': "):
        read(host=host)


@pytest.mark.parametrize(
    ("host", "port", "gateway"),
    [
        ("platform.adobe.io", 443, "https://platform.adobe.io"),
        ("https://gateway", 8443, "https://gateway:8443"),
        ("gateway", 8443, "https://gateway:8443"),
        ("http://127.0.0.1", 8765, "http://127.0.0.1:8765"),
        ("http://[::1]/", 8765, "http://[::1]:8765"),
        ("http://127.0.0.1:8765", 8765, "http://127.0.0.1:8765"),
        ("gateway:8443", 8443, "https://gateway:8443"),
        ("https://gateway:443", 443, "https://gateway"),
        ("http://localhost:8765", 0, "http://localhost:8765"),
        ("gateway", 0, "https://gateway"),
        (None, 0, "https://platform.adobe.io"),
        (None, 8443, "https://platform.adobe.io:8443"),
    ],
)
def test_a_port_is_used_if_the_host_has_none_and_0_is_none(host: str | None, port: int, gateway: str) -> None:
    assert read(host=host, port=port).gateway == gateway


@pytest.mark.parametrize(
    ("host", "port", "problem"),
    [
        ("https://gateway:8443", 443, "443 is not 8443, the port in API gateway (host). Clear one of them."),
        ("gateway:443", 8443, "8443 is not 443, the port in API gateway (host). Clear one of them."),
        (None, 65536, "65536 is not a port. Set it to a number from 1 to 65535, or clear it."),
        (None, -1, "-1 is not a port. Set it to a number from 1 to 65535, or clear it."),
    ],
)
def test_a_port_that_cannot_be_used_is_refused(host: str | None, port: int, problem: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        read(host=host, port=port)
    assert caught.value.message == f"Port (port) of connection 'aep': {problem}"


@pytest.mark.parametrize(
    "field",
    ["sandbox", "proxy", "ca_file", "access_token", "org_id", "ims_host", "collection_host", "scopes"],
)
def test_a_text_that_is_no_text_is_refused(field: str) -> None:
    message = f"{field_name(field)} of connection 'aep': is not a string"
    with pytest.raises(InvalidInputError, match=re.escape(message)):
        read(**{field: {"a": 1}})


@pytest.mark.parametrize(
    "proxy",
    [
        "ftp://me:pr0xy-pw@proxy:3128",
        "http://me:pr0xy-pw@proxy:port",
        "http://me:12#pr0xy-pw@proxy:3128",
        "http://me:12/pr0xy-pw@proxy:3128",
        "http://",
        "http://proxy:port",
        "a proxy",
    ],
)
def test_a_proxy_that_is_no_address_is_refused(proxy: str) -> None:
    with pytest.raises(InvalidInputError, match=r"Proxy \(extra proxy\) of connection 'aep': ") as caught:
        read(proxy=proxy)
    assert "pr0xy-pw" not in caught.value.message


def test_the_operators_sandbox_comes_before_the_connections() -> None:
    extras = {"org_id": "5C0FFEE@AdobeOrg", "sandbox": "dev"}
    settings = settings_from(
        host=None, client_id="me", client_secret=SECRET, extras=extras, sandbox="onboarding"
    )
    assert settings.sandbox == "onboarding"


@pytest.mark.parametrize("sandbox", ["", " "])
def test_an_empty_sandbox_is_not_replaced_by_the_connections(sandbox: str) -> None:
    extras = {"org_id": "5C0FFEE@AdobeOrg", "sandbox": "prod"}
    with pytest.raises(InvalidInputError, match=r"Sandbox \(extra sandbox\) of connection: is empty"):
        settings_from(host=None, client_id="me", client_secret=SECRET, extras=extras, sandbox=sandbox)


def test_a_ready_token_stands_for_a_client_secret() -> None:
    assert read(client_secret=None, access_token=TOKEN).access_token == TOKEN


def test_secrets_are_known_and_not_shown() -> None:
    settings = read(access_token=TOKEN, proxy="http://user:pr0xy-pw@proxy:3128")
    assert set(settings.secrets) == {SECRET, TOKEN, "pr0xy-pw"}
    assert not [secret for secret in settings.secrets if secret in repr(settings)]


def test_a_proxys_password_is_known_as_the_url_has_it_and_decoded() -> None:
    assert set(read(proxy="http://user:pr0xy%2Fpw@proxy").secrets) == {SECRET, "pr0xy%2Fpw", "pr0xy/pw"}


def test_what_stands_before_a_host_may_be_a_password_and_is_not_shown() -> None:
    with pytest.raises(
        InvalidInputError, match=r"^API gateway \(host\) of connection 'aep': what it contains is not a host"
    ) as caught:
        read(host="https://me:h0st-pw@host")
    assert "h0st-pw" not in caught.value.message


@pytest.mark.parametrize(
    ("field", "value", "name"),
    [
        ("access_token", TOKEN, "Access token (extra access_token)"),
        ("client_id", "me", "Client ID (login)"),
        ("org_id", "5C0FFEE@AdobeOrg", "Organization ID (extra org_id)"),
        ("sandbox", "dev", "Sandbox (extra sandbox)"),
    ],
)
def test_a_pasted_value_loses_the_white_space_around_it_and_must_have_none_of_lines(
    field: str, value: str, name: str
) -> None:
    attribute = getattr(read(**{field: f"\r\n {value}\n"}), field)
    assert attribute == value
    for bad in ("\n", "\r", "\x00", "\x7f", "\u2013"):
        with pytest.raises(InvalidInputError) as caught:
            read(**{field: f"{value[:1]}{bad}{value[1:]}"})
        assert caught.value.field == f"{name} of connection 'aep'"
        assert f"(U+{ord(bad):04X}) at position 2" in caught.value.problem
        assert caught.value.remedy
        assert (value[1:] in caught.value.message) == (field != "access_token")


def test_a_token_of_white_space_is_none() -> None:
    with pytest.raises(InvalidInputError, match=r"^Client secret \(password\) of connection 'aep': is empty"):
        read(client_secret=None, access_token=" \n")


def test_settings_with_the_same_values_are_one_key() -> None:
    assert len({read(), read(), read(sandbox="other")}) == 2
