from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.http import network
from airflow_provider_flowservice.client.settings import Settings, settings_from

AEP = "https://platform.adobe.io"
PROXY = "http://proxy.corp:3128"
VARIABLES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES, *(name.lower() for name in VARIABLES)):
        monkeypatch.delenv(name, raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)


def settings(**extras: Any) -> Settings:
    known = {"org_id": "5C0FFEE@AdobeOrg", "sandbox": "dev"}
    return settings_from(host=None, client_id="me", client_secret="secret", extras={**known, **extras})


def test_without_any_setting_nothing_is_proxied() -> None:
    assert network.proxy_for(AEP, settings()) is None


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_the_environments_proxy_is_taken(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, PROXY)
    assert network.proxy_for(AEP, settings()) == PROXY


def test_a_proxy_without_a_scheme_is_an_http_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "proxy.corp:3128")
    assert network.proxy_for(AEP, settings()) == PROXY


def test_a_proxy_for_plain_http_is_not_for_https(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", PROXY)
    assert network.proxy_for(AEP, settings()) is None


@pytest.mark.parametrize("no_proxy", ["*", "platform.adobe.io", ".adobe.io", "example.com, .adobe.io"])
def test_no_proxy_exempts_a_host(monkeypatch: pytest.MonkeyPatch, no_proxy: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert network.proxy_for(AEP, settings()) is None
    if no_proxy != "*":
        assert network.proxy_for("https://dcs.adobedc.net", settings()) == PROXY


def test_the_connections_proxy_comes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", "*")
    assert network.proxy_for(AEP, settings(proxy="http://other:3128")) == "http://other:3128"


@pytest.mark.parametrize("origin", ["http://127.0.0.1:8765", "http://localhost", "https://[::1]:443"])
def test_loopback_is_never_proxied(monkeypatch: pytest.MonkeyPatch, origin: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    monkeypatch.setenv("HTTP_PROXY", PROXY)
    assert network.proxy_for(origin, settings(proxy=PROXY)) is None


def test_the_ca_is_named_by_the_connection_then_by_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    files = {
        name: tmp_path / name for name in ("mine", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE")
    }
    for file in files.values():
        trustme.CA().cert_pem.write_to_path(str(file))
    assert network.ca_file(settings()) is None
    for name in ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(name, str(files[name]))
        assert network.ca_file(settings()) == str(files[name])
    assert network.ca_file(settings(ca_file=str(files["mine"]))) == str(files["mine"])


def test_a_ca_that_is_not_there_is_refused_by_the_name_of_its_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(
        InvalidInputError, match=r"CA file \(extra ca_file\): the file '/nowhere.pem' does not exist"
    ):
        network.ca_file(settings(ca_file="/nowhere.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere.pem")
    with pytest.raises(
        InvalidInputError, match=r"REQUESTS_CA_BUNDLE: the file '/nowhere.pem' does not exist"
    ):
        network.ca_file(settings())


def test_servers_are_verified_with_or_without_a_ca_of_ones_own(tmp_path: Path) -> None:
    authority = trustme.CA()
    pem = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(pem))
    for context in (network.ssl_context(settings()), network.ssl_context(settings(ca_file=str(pem)))):
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
    assert len(network.ssl_context(settings(ca_file=str(pem))).get_ca_certs()) == 1
    assert len(network.ssl_context(settings()).get_ca_certs()) > 50
    network.ssl_context(settings(ca_file=str(tmp_path)))


def test_a_ca_file_without_certificates_is_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing here")
    with pytest.raises(
        InvalidInputError, match=r"CA file \(extra ca_file\): .*empty.pem' cannot be used: .*PEM"
    ):
        network.ca_file(settings(ca_file=str(empty)))


def test_a_ca_file_is_read_anew_when_it_changes(tmp_path: Path) -> None:
    pem = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(pem))
    first = network.ssl_context(settings(ca_file=str(pem)))
    assert network.ssl_context(settings(ca_file=str(pem))) is first
    trustme.CA().cert_pem.write_to_path(str(pem), append=True)
    os.utime(pem, ns=(0, 1))
    assert len(network.ssl_context(settings(ca_file=str(pem))).get_ca_certs()) == 2
