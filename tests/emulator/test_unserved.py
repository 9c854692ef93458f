"""Operations of AEP that the emulator does not serve. That all of them are known is tested in ``test_openapi.py``."""

from __future__ import annotations

import pytest

from tests.emulator.conftest import CATALOG, DATA_PREP, FLOW_SERVICE, Api

UPS = "/data/core/ups"


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", f"{CATALOG}", "listBatchedRequest"),
        ("GET", f"{CATALOG}/batches/one", "retrieveBatch"),
        ("GET", f"{CATALOG}/batches/uniques/status", "retrieveUniqueBatchValues"),
        ("POST", f"{UPS}/audiences/bulk-get", "bulkGetAudiences"),
        ("DELETE", f"{UPS}/preview/one/", "deletePreview"),
        # The paths of other collections of Flow Service are like these.
        ("POST", f"{FLOW_SERVICE}/connectionSpecs", "createConnectionSpec"),
        ("PUT", f"{FLOW_SERVICE}/flowSpecs/one", "updateFlowSpec"),
    ],
)
def test_an_operation_that_is_not_served_is_named(api: Api, method: str, path: str, name: str) -> None:
    refused = api.call(method, path)
    assert refused.status_code == refused.json()["status"] == 501
    assert f"does not serve {name} ({method} {path.rstrip('/')})" in refused.json()["detail"]


def test_the_gateways_checks_come_first(api: Api) -> None:
    path = f"{DATA_PREP}/languages/el/functions"
    expected = {"Authorization": "403010", "x-api-key": "403000", "x-gw-ims-org-id": "400003"}
    for header, code in expected.items():
        assert api.call("GET", path, headers={header: None}).json()["error_code"] == code
    assert api.call("GET", path, headers={"x-sandbox-name": "none"}).status_code == 404
    assert api.get(path).status_code == 501


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"{CATALOG}/anything", 404),
        ("GET", f"{CATALOG}/batches/one/two", 404),
        ("GET", f"{DATA_PREP}/languages", 404),
        ("PUT", f"{CATALOG}/batches", 405),
        ("GET", "/data/core/other", 404),
    ],
)
def test_what_aep_does_not_have_either_is_not_found(api: Api, method: str, path: str, status: int) -> None:
    assert api.call(method, path).status_code == status
