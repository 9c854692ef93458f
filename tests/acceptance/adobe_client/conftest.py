from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Callable
from typing import Any

import aepp
import pytest
from aepp import catalog, dataprep, flowservice, schema, segmentation

URL = os.environ["EMULATOR_URL"]
SANDBOX = os.environ["EMULATOR_SANDBOX"]
PROFILE = "https://ns.adobe.com/xdm/context/profile"
PERSON = "https://ns.adobe.com/xdm/context/profile-person-details"
WORK = "https://ns.adobe.com/xdm/context/profile-work-details"
EVENT = "https://ns.adobe.com/xdm/context/experienceevent"


def control(path: str, body: Any = None) -> None:
    """Ask something of the emulator itself."""
    request = urllib.request.Request(
        f"{URL}/_emulator/{path}",
        json.dumps(body or {}).encode(),
        {"Content-Type": "application/json"},
        method="POST",
    )
    urllib.request.urlopen(request, timeout=10).close()


@pytest.fixture(autouse=True)
def configured() -> None:
    """The client as a user of Adobe's sets it up, but for the hosts; and an empty AEP."""
    control("reset")
    aepp.configure(
        org_id=os.environ["EMULATOR_ORG_ID"],
        client_id=os.environ["EMULATOR_CLIENT_ID"],
        secret=os.environ["EMULATOR_CLIENT_SECRET"],
        scopes="openid,AdobeID",
        sandbox=SANDBOX,
    )
    aepp.config.endpoints["global"] = URL
    aepp.config.config_object["oauthTokenEndpointV2"] = f"{URL}/ims/token/v3"


@pytest.fixture
def registry() -> schema.Schema:
    return schema.Schema()


@pytest.fixture
def make_schema(registry: schema.Schema) -> Callable[..., str]:
    def make(name: str = "Customers", *groups: str) -> str:
        return str(
            registry.createProfileSchema(name=name, fieldGroupIds=list(groups or (PERSON, WORK)))["$id"]
        )

    return make


@pytest.fixture
def datasets() -> catalog.Catalog:
    return catalog.Catalog()


@pytest.fixture
def flows() -> flowservice.FlowService:
    return flowservice.FlowService()


@pytest.fixture
def segments() -> segmentation.Segmentation:
    return segmentation.Segmentation()


@pytest.fixture
def data_prep() -> dataprep.DataPrep:
    return dataprep.DataPrep()
