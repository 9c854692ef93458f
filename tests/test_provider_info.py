from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Iterator
from importlib.metadata import entry_points
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import pytest
from airflow.sdk import BaseHook, BaseOperator
from airflow.triggers.base import BaseTrigger

import airflow_provider_flowservice
from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.settings import Settings, settings_from
from airflow_provider_flowservice.connection_fields import field_name
from airflow_provider_flowservice.get_provider_info import get_provider_info
from airflow_provider_flowservice.hooks.base import FlowServiceBaseHook
from airflow_provider_flowservice.hooks.flow_service import FlowServiceHook
from airflow_provider_flowservice.hooks.streaming import FlowServiceStreamingHook
from tests.support.features import needs

PACKAGE = Path(airflow_provider_flowservice.__file__).parent
#: What the strict schema wants of Airflow's own source tree, and a package elsewhere has no use for.
SOURCE_TREE_KEYS = {
    "source-date-epoch": 1_700_000_000,
    "state": "ready",
    "lifecycle": "production",
    "versions": ["0.1.0"],
}


@pytest.fixture
def info() -> dict[str, Any]:
    return get_provider_info()


@pytest.fixture
def connection_type(info: dict[str, Any]) -> dict[str, Any]:
    (connection_type,) = info["connection-types"]
    return dict(connection_type)


def schema(name: str) -> dict[str, Any]:
    return dict(json.loads((files("airflow") / name).read_text()))


def declared_modules(info: dict[str, Any]) -> Iterator[str]:
    for section in ("hooks", "operators", "sensors", "triggers"):
        for entry in info[section]:
            yield from entry["python-modules"]


def declared_classes(info: dict[str, Any]) -> Iterator[str]:
    yield from info["extra-links"]
    yield from info["cli"]
    for connection_type in info["connection-types"]:
        yield connection_type["hook-class-name"]


def offers_something(module: ModuleType) -> bool:
    """Whether a module defines a hook, operator, sensor or trigger that can be used as it is."""
    return any(
        issubclass(member, (BaseHook, BaseOperator, BaseTrigger))
        and member not in (FlowServiceBaseHook, FlowServiceStreamingHook)
        and f"{member.__module__}.".startswith(f"{module.__name__}.")
        and not inspect.isabstract(member)
        for _, member in inspect.getmembers(module, inspect.isclass)
    )


def load(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def test_it_is_what_airflow_expects_of_an_installed_provider(info: dict[str, Any]) -> None:
    jsonschema.validate(info, schema("provider_info.schema.json"))


def validate_strictly(info: dict[str, Any]) -> None:
    strict = schema("provider.yaml.schema.json")
    added = {key: value for key, value in SOURCE_TREE_KEYS.items() if key in strict["properties"]}
    # The one key that an older Airflow does not have: it passes over it.
    known = {key: value for key, value in info.items() if key != "cli" or key in strict["properties"]}
    jsonschema.validate({**known, **added}, strict)


def test_it_is_what_airflow_expects_of_its_own_providers(info: dict[str, Any]) -> None:
    required = schema("provider.yaml.schema.json").get("required", [])
    assert [key for key in required if key not in info and key not in SOURCE_TREE_KEYS] == []
    validate_strictly(info)
    del info["connection-types"][0]["hook-class-name"]
    with pytest.raises(jsonschema.ValidationError):
        validate_strictly(info)


@needs("conn_fields")
def test_airflow_looks_at_the_form_too(info: dict[str, Any]) -> None:
    info["connection-types"][0]["ui-field-behaviour"]["hidden-fields"] = ["prot"]
    with pytest.raises(jsonschema.ValidationError):
        validate_strictly(info)


def test_every_declared_module_and_class_can_be_imported(info: dict[str, Any]) -> None:
    for module in declared_modules(info):
        importlib.import_module(module)
    for path in declared_classes(info):
        load(path)


def test_every_module_with_something_to_use_is_declared(info: dict[str, Any]) -> None:
    modules = [
        importlib.import_module(f"airflow_provider_flowservice.{folder}.{file.stem}")
        for folder in ("hooks", "operators", "sensors", "triggers")
        for file in (PACKAGE / folder).iterdir()
        if file.suffix == ".py" or (file / "__init__.py").exists()
    ]
    assert {module.__name__ for module in modules if offers_something(module)} == set(declared_modules(info))


def test_the_hook_is_what_the_connection_type_says(connection_type: dict[str, Any]) -> None:
    assert load(connection_type["hook-class-name"]) is FlowServiceHook
    assert connection_type["connection-type"] == FlowServiceHook.conn_type
    assert connection_type["hook-name"] == FlowServiceHook.hook_name
    assert FlowServiceHook.conn_name_attr == "flowservice_conn_id"
    assert FlowServiceHook().flowservice_conn_id == FlowServiceHook.default_conn_name


def test_every_field_of_the_form_is_a_setting_and_the_other_way_round(
    connection_type: dict[str, Any],
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        settings_from(host=None, client_id="me", client_secret="s", extras={"unknown": 1})
    known = caught.value.remedy.removeprefix("Choose one of: ").rstrip(".").split(", ")
    assert sorted(connection_type["conn-fields"]) == known
    own = {"gateway", "client_id", "client_secret"}  # from the host, the login and the password
    assert sorted(set(Settings.__struct_fields__) - own) == known


def test_the_form_labels_each_field_as_messages_name_it(connection_type: dict[str, Any]) -> None:
    labels = {name: field["label"] for name, field in connection_type["conn-fields"].items()}
    named = {name: f"{label} (extra {name})" for name, label in labels.items()}
    behaviour = connection_type["ui-field-behaviour"]
    named |= {name: f"{label} ({name})" for name, label in behaviour["relabeling"].items()}
    assert {name: field_name(name) for name in named} == named
    assert len(set(labels.values())) == len(labels)
    own = {"description", "host", "port", "login", "password", "schema", "extra"}
    assert own - {"description", *behaviour["hidden-fields"]} == set(behaviour["relabeling"])


@pytest.mark.parametrize("left_out", ["org_id", "sandbox", "login", "password"])
def test_a_message_names_a_field_by_its_label(connection_type: dict[str, Any], left_out: str) -> None:
    given = {"login": "me", "password": "s", "org_id": "5C0FFEE@AdobeOrg", "sandbox": "dev", left_out: None}
    extras = {name: given[name] for name in ("org_id", "sandbox")}
    with pytest.raises(InvalidInputError) as caught:
        settings_from(host=None, client_id=given["login"], client_secret=given["password"], extras=extras)
    labels = {name: field["label"] for name, field in connection_type["conn-fields"].items()}
    labels |= connection_type["ui-field-behaviour"]["relabeling"]
    assert caught.value.message.startswith(f"{labels[left_out]} (")


def test_what_everybody_needs_comes_first_and_the_rest_is_in_sections(
    connection_type: dict[str, Any],
) -> None:
    schemas = {name: field["schema"] for name, field in connection_type["conn-fields"].items()}
    assert list(schemas)[:2] == ["org_id", "sandbox"]
    assert [name for name, each in schemas.items() if "null" not in each["type"]] == ["org_id"]
    sections = {name: each.get("section") for name, each in schemas.items()}
    assert [name for name, section in sections.items() if section is None] == ["org_id", "sandbox"]
    # Those of a section stand together, since the form begins a section where it is first named.
    assert [section for section, _ in groupby(sections.values())] == [None, "Network", "Token", "Retries"]


def test_the_form_has_the_port_that_airflow_tests_a_connection_with(connection_type: dict[str, Any]) -> None:
    assert "port" not in connection_type["ui-field-behaviour"]["hidden-fields"]


@needs("conn_fields")
def test_airflow_gives_the_form_to_its_ui_as_it_is(connection_type: dict[str, Any]) -> None:
    from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService

    (found,) = [each for each in HookMetaService.hook_meta_data() if each.connection_type == "flowservice"]
    fields = connection_type["conn-fields"]
    assert found.extra_fields is not None
    assert list(found.extra_fields) == list(fields)
    for name, field in found.extra_fields.items():
        assert field["schema"] == {**fields[name]["schema"], "title": fields[name]["label"]}
        assert field["description"] == fields[name]["description"]
    standard = found.standard_fields
    assert standard is not None
    assert standard.port is not None
    assert (standard.port.hidden, standard.port.title) == (False, "Port")


def test_secrets_of_the_form_are_hidden(connection_type: dict[str, Any]) -> None:
    hidden = {
        name
        for name, field in connection_type["conn-fields"].items()
        if field["schema"].get("format") == "password"
    }
    assert "access_token" in hidden


def test_the_entry_point_gives_it(info: dict[str, Any]) -> None:
    (entry,) = [
        entry
        for entry in entry_points(group="apache_airflow_provider")
        if entry.value.startswith("airflow_provider_flowservice")
    ]
    assert entry.load()() == info
    assert entry.dist is not None
    assert entry.dist.name == info["package-name"]


def test_airflow_knows_its_options() -> None:
    from airflow.providers_manager import ProvidersManager

    options = dict(ProvidersManager().provider_configs)["airflow-provider-flowservice"]["flowservice"][
        "options"
    ]
    assert list(options) == ["allowed_hosts"]
    assert options["allowed_hosts"]["default"] == ""


def test_airflow_discovers_it(connection_type: dict[str, Any]) -> None:
    from airflow.providers_manager import ProvidersManager

    from tests.support.moved import ProvidersManagerTaskRuntime

    manager = ProvidersManager()
    assert (
        manager.providers["airflow-provider-flowservice"].version == airflow_provider_flowservice.__version__
    )
    found = ProvidersManagerTaskRuntime().hooks["flowservice"]
    assert found is not None
    assert found.hook_class_name == connection_type["hook-class-name"]
    assert "airflow_provider_flowservice.links.FlowServiceLink" in manager.extra_links_class_names
