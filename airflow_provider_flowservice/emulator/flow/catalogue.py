"""The connection and flow specs that the emulator knows, under the ids that Adobe publishes.

The names of authentications and of their parameters are those on Adobe's pages, where these print them:
the streaming tutorials, Amazon S3, Azure Blob, SFTP and the HTTP API. The others are best guesses; ``GET
/connectionSpecs`` of a real sandbox has the true ones. Names of specs that Adobe prints, or that Adobe's own client
looks up, are as they are there, with their typing errors.
"""

from __future__ import annotations

from airflow_provider_flowservice.emulator.flow.specs import (
    AuthSpec,
    Catalogue,
    ConnectionSpec,
    FlowSpec,
    Role,
)

UNIFIED_PROFILE = "8a9c3494-9708-43d7-ae3f-cda01e5030e1"
DATASET_EXPORT = "23598e46-f560-407b-88d5-ea6207e49db0"
DATA_LAKE = "c604ff05-7f1a-43c0-8e18-33bf874cb11c"
KINESIS = "86043421-563b-46ec-8e6c-e23184711bf6"
EVENT_HUBS = "bf9f5905-92b7-48bf-bf20-455bc6b60a4e"
PUB_SUB = "70116022-a743-464a-bbfe-e226a7f8210c"
HTTP_API = "bc7b00d6-623a-4dfc-9fdb-f1240aeadaeb"
LANDING_ZONE = "26f526f2-58f4-4712-961d-e41bf1ccc0e8"
#: What belongs to AEP itself, as a source and as a destination, so that no base connection is needed.
LANDING_ZONES = frozenset({LANDING_ZONE, "10440537-2a7b-4583-ac39-ed38d4b848e8"})
PROFILE_FLOW = "71471eba-b620-49e4-90fd-23f1fa0174d8"
RAW_STREAM_FLOW = "c1a19761-d2c7-4702-b9fa-fe91f0613e81"
XDM_STREAM_FLOW = "d8a6f005-7eaf-4153-983e-e8574508b877"

PROFILE_TRANSFORM = "GeneralTransform"
MAPPING_TRANSFORM = "Mapping"

_SELECTORS = ("profileSelectors", "segmentSelectors")
_SELECTORS_AND_MAPPING = ("mandatoryFields", "primaryFields", "profileMapping", "segmentSelectors")

_STREAMING = "521eee4d-8cbe-4906-bb48-fb6bd4450033"
_BATCH = "0ed90a81-07f4-4586-8190-b40eccef1c5a"
_DESTINATIONS = "14e34fac-d307-11e9-bb65-2a2ae2dbcce4"


def _keys(name: str, plain: tuple[str, ...], secret: str, optional: tuple[str, ...] = ()) -> AuthSpec:
    return AuthSpec(name, (*plain, secret), optional, frozenset({secret}))


_ACCESS_KEY = _keys("Access Key", ("s3AccessKey",), "s3SecretKey")
_CONNECTION_STRING = _keys("ConnectionString", (), "connectionString")
_SFTP_PASSWORD = _keys("SFTP with Password", ("domain", "username"), "password", ("port",))
_SFTP_KEY = _keys("SFTP with SSH Key", ("domain", "username"), "sshKey", ("port",))
_SFTP_BASIC = _keys(
    "Basic Authentication for sftp", ("host",), "password", ("username", "userName", "domain")
)
_SFTP_PUBLIC_KEY = _keys(
    "SSH PublicKey Authentication for sftp", ("host", "userName"), "privateKeyContent", ("passPhrase",)
)
_HTTP_STREAM = AuthSpec(
    "Streaming Connection",
    required=("dataType",),
    optional=("sourceId", "name"),
    others=(
        ("dataType", {"type": "string", "enum": ["xdm", "raw"]}),
        ("authenticationRequired", {"type": "boolean"}),
    ),
)
_KINESIS_KEYS = AuthSpec(
    "Aws Kinesis authentication credentials",
    required=("accessKeyId", "secretKey"),
    optional=("region", "connectionUrl"),
    secrets=frozenset({"secretKey"}),
    any_of=("region", "connectionUrl"),
)


def _destination(
    spec_id: str, name: str, *auth: AuthSpec, params: tuple[str, ...] = ("path",)
) -> ConnectionSpec:
    return ConnectionSpec(spec_id, name, "Cloud Storage", Role.DESTINATION, _DESTINATIONS, auth, params)


def _marketing(spec_id: str, name: str) -> ConnectionSpec:
    auth = (
        _keys("S3", ("accessId",), "secretKey"),
        _keys("Azure Blob", (), "connectionString"),
        _keys("SFTP with Password", ("domain", "username"), "password"),
    )
    return ConnectionSpec(spec_id, name, "Email Marketing", Role.DESTINATION, _DESTINATIONS, auth)


def _source(spec_id: str, name: str, *auth: AuthSpec, category: str = "Cloud Storage") -> ConnectionSpec:
    return ConnectionSpec(spec_id, name, category, Role.SOURCE, _BATCH, auth)


_PLATFORM_SPECS = (
    ConnectionSpec(UNIFIED_PROFILE, "Unified Profile Service", "Platform", Role.PLATFORM, _DESTINATIONS),
    ConnectionSpec(DATASET_EXPORT, "activation-datalake", "Platform", Role.PLATFORM, _DESTINATIONS),
    ConnectionSpec(DATA_LAKE, "datalake", "Platform", Role.PLATFORM, _BATCH, target_params=("dataSetId",)),
)
_STREAMING_SPECS = (
    ConnectionSpec(
        KINESIS,
        "Amazon Kinesis",
        "Cloud Storage",
        Role.BOTH,
        _STREAMING,
        (_KINESIS_KEYS,),
        ("stream", "region"),
    ),
    ConnectionSpec(
        EVENT_HUBS,
        "Azure Event Hubs",
        "Cloud Storage",
        Role.BOTH,
        _STREAMING,
        (_keys("Azure EventHub authentication credentials", ("sasKeyName", "namespace"), "sasKey"),),
        ("eventHubName",),
    ),
    ConnectionSpec(
        PUB_SUB,
        "Google PubSub",
        "Cloud Storage",
        Role.SOURCE,
        _STREAMING,
        (_keys("Google PubSub authentication credentials", ("projectId",), "credentials"),),
    ),
    ConnectionSpec(HTTP_API, "HTTP API", "Streaming", Role.SOURCE, _STREAMING, (_HTTP_STREAM,), drafts=False),
)
_FILE_DESTINATIONS = (
    _destination(
        "4fce964d-3f37-408f-9778-e597338a21ee", "Amazon S3", _ACCESS_KEY, params=("bucketName", "path")
    ),
    _destination(
        "6d6b59bf-fb58-4107-9064-4d246c0e5bb2",
        "Azure Blob Storage",
        _CONNECTION_STRING,
        params=("container", "path"),
    ),
    _destination(
        "be2c3209-53bc-47e7-ab25-145db8b873e1",
        "Azure Data Lake Gen2",
        _keys("Azure Service Principal", ("url", "servicePrincipalId", "tenant"), "servicePrincipalKey"),
    ),
    _destination("10440537-2a7b-4583-ac39-ed38d4b848e8", "Data Landing Zone"),
    _destination(
        "c5d93acb-ea8b-4b14-8f53-02138444ae99",
        "Google Cloud Storage",
        _keys("Google Cloud Storage authentication credentials", ("accessKeyId",), "secretAccessKey"),
        params=("bucketName", "path"),
    ),
    _destination(
        "36965a81-b1c6-401b-99f8-22508f1e6a26", "SFTP", _SFTP_PASSWORD, _SFTP_KEY, params=("remotePath",)
    ),
    _destination(
        "4890fc95-5a1f-4983-94bb-e060c08e3f81",
        "Amazon S3 (legacy)",
        _ACCESS_KEY,
        params=("bucketName", "path"),
    ),
    _destination(
        "e258278b-a4cf-43ac-b158-4fa0ca0d948b",
        "Azure Blob (legacy)",
        _CONNECTION_STRING,
        params=("container", "path"),
    ),
    _destination(
        "64ef4b8b-a6e0-41b5-9677-3805d1ee5dd0",
        "SFTP (legacy)",
        _SFTP_BASIC,
        _SFTP_KEY,
        params=("remotePath",),
    ),
    _marketing("0b23e41a-cb4a-4321-a78f-3b654f5d7d97", "Adobe Campaign"),
    _marketing("c1e44b6b-e7c8-404b-9031-58f0ef760604", "Oracle Eloqua"),
    _marketing("a5e28ddf-e265-426e-83a1-9d03a3a6822b", "Oracle Responsys"),
    _marketing("f599a5b3-60a7-4951-950a-cc4115c7ea27", "Salesforce Marketing Cloud"),
)
_BATCH_SOURCES = (
    _source("ecadc60c-7455-4d87-84dc-2a0e293d997b", "amazon-s3", _ACCESS_KEY),
    _source("4c10e202-c428-4796-9208-5f1f5732b1cf", "azure-blob", _CONNECTION_STRING),
    _source("b7bf2577-4520-42c9-bae9-cad01560f7bc", "sftp", _SFTP_BASIC, _SFTP_PUBLIC_KEY),
    _source(
        "32e8f412-cdf7-464c-9885-78184cb113fd",
        "google-cloud-storage",
        _keys("Basic Authentication for google-cloud", ("accessKeyId",), "secretAccessKey"),
    ),
    _source(
        "be5ec48c-5b78-49d5-b8fa-7c89ec4569b8",
        "azure-file-storage",
        _keys("Basic Authentication", ("host", "userId"), "password"),
    ),
    _source(LANDING_ZONE, "landing-zone"),
    _source(
        "3c9b37f8-13a6-43d8-bad3-b863b941fedd",
        "google-big-query",
        _keys("Basic Authentication", ("project", "clientId", "refreshToken"), "clientSecret"),
        category="Databases",
    ),
)


def _partners_connection(spec_id: str) -> ConnectionSpec:
    login = _keys("Partner credentials", (), "password", ("username",))
    return ConnectionSpec(
        spec_id, f"Partner {spec_id}", "Partner", Role.DESTINATION, _DESTINATIONS, (login,), is_partners=True
    )


CONNECTION_SPECS = Catalogue(
    (*_PLATFORM_SPECS, *_STREAMING_SPECS, *_FILE_DESTINATIONS, *_BATCH_SOURCES), _partners_connection
)

_LEGACY_FILE_TARGETS = tuple(
    spec.id
    for spec in _FILE_DESTINATIONS
    if spec.category == "Email Marketing" or spec.name.endswith("(legacy)")
)
_CLOUD_SOURCES = tuple(spec.id for spec in _BATCH_SOURCES if spec.category == "Cloud Storage")


def _audience_export(
    spec_id: str, name: str, target: str, params: tuple[str, ...] = _SELECTORS_AND_MAPPING
) -> FlowSpec:
    transforms = (PROFILE_TRANSFORM,)
    return FlowSpec(
        spec_id, name, _DESTINATIONS, (UNIFIED_PROFILE,), (target,), transforms, True, params=params
    )


def _dataset_export(spec_id: str, name: str, target: str) -> FlowSpec:
    return FlowSpec(spec_id, name, _DESTINATIONS, (DATASET_EXPORT,), (target,), (), True)


def _partners_flow(spec_id: str) -> FlowSpec:
    ends = (tuple(CONNECTION_SPECS), tuple(CONNECTION_SPECS))
    return FlowSpec(spec_id, f"Partner {spec_id}", _DESTINATIONS, *ends, (PROFILE_TRANSFORM,), True)


_FLOW_SPECS = (
    FlowSpec(
        PROFILE_FLOW,
        "upsToStreamingDestination",
        _DESTINATIONS,
        (UNIFIED_PROFILE,),
        (KINESIS, EVENT_HUBS, *_LEGACY_FILE_TARGETS),
        (PROFILE_TRANSFORM,),
        True,
        params=_SELECTORS,
    ),
    _audience_export(
        "1a0514a6-33d4-4c7f-aff8-594799c47549", "upsToS3", "4fce964d-3f37-408f-9778-e597338a21ee"
    ),
    _audience_export(
        "752d422f-b16f-4f0d-b1c6-26e448e3b388", "upsToBlob", "6d6b59bf-fb58-4107-9064-4d246c0e5bb2"
    ),
    _audience_export(
        "db060570-a155-418a-a6d3-b4d97698e5dc", "upsToAdls", "be2c3209-53bc-47e7-ab25-145db8b873e1"
    ),
    _audience_export(
        "7e635b9f-e59b-4546-8ba8-fce6496693c8", "upsToDlz", "10440537-2a7b-4583-ac39-ed38d4b848e8"
    ),
    _audience_export(
        "976d663b-80b4-4193-be6b-2d0487516623", "upsToGcs", "c5d93acb-ea8b-4b14-8f53-02138444ae99"
    ),
    _audience_export(
        "fd36aaa4-bf2b-43fb-9387-43785eeeb799", "upsToSftp", "36965a81-b1c6-401b-99f8-22508f1e6a26"
    ),
    _audience_export(
        "51d675ce-e270-408d-91fc-22717bdf2148",
        "upsToResponsys",
        "a5e28ddf-e265-426e-83a1-9d03a3a6822b",
        _SELECTORS,
    ),
    _audience_export(
        "493b2bd6-26e4-4167-ab3b-5e910bba44f0",
        "upsToSalesforceMarketingCloud",
        "f599a5b3-60a7-4951-950a-cc4115c7ea27",
        _SELECTORS,
    ),
    _dataset_export(
        "269ba276-16fc-47db-92b0-c1049a3c131f", "datasetToS3", "4fce964d-3f37-408f-9778-e597338a21ee"
    ),
    _dataset_export(
        "95bd8965-fc8a-4119-b9c3-944c2c2df6d2", "datasetToBlob", "6d6b59bf-fb58-4107-9064-4d246c0e5bb2"
    ),
    _dataset_export(
        "17be2013-2549-41ce-96e7-a70363bec293", "datasetToAdls", "be2c3209-53bc-47e7-ab25-145db8b873e1"
    ),
    _dataset_export(
        "cd2fc47e-e838-4f38-a581-8fff2f99b63a", "datasetToDlz", "10440537-2a7b-4583-ac39-ed38d4b848e8"
    ),
    _dataset_export(
        "585c15c4-6cbf-4126-8f87-e26bff78b657", "datasetToGcs", "c5d93acb-ea8b-4b14-8f53-02138444ae99"
    ),
    _dataset_export(
        "354d6aad-4754-46e4-a576-1b384561c440", "datasetToSftp", "36965a81-b1c6-401b-99f8-22508f1e6a26"
    ),
    FlowSpec(
        "d69717ba-71b4-4313-b654-49f9cf126d7a",
        "Stream data with optional transformation",
        _STREAMING,
        (HTTP_API, EVENT_HUBS, KINESIS, PUB_SUB),
        (DATA_LAKE,),
        (MAPPING_TRANSFORM,),
        False,
        runs=False,
    ),
    FlowSpec(
        RAW_STREAM_FLOW,
        "Steam data with transformation",
        _STREAMING,
        (HTTP_API,),
        (DATA_LAKE,),
        (MAPPING_TRANSFORM,),
        False,
        drafts=False,
        runs=False,
        updates=False,
    ),
    FlowSpec(
        XDM_STREAM_FLOW,
        "Stream data without transformation",
        _STREAMING,
        (HTTP_API,),
        (DATA_LAKE,),
        (),
        False,
        drafts=False,
        runs=False,
    ),
    FlowSpec(
        "9753525b-82c7-4dce-8a9b-5ccfce2b9876",
        "CloudStorageToAEP",
        _BATCH,
        _CLOUD_SOURCES,
        (DATA_LAKE,),
        ("Copy", MAPPING_TRANSFORM),
        False,
        scheduled=True,
    ),
    FlowSpec(
        "14518937-270c-4525-bdec-c2ba7cce3860",
        "CRMToAEP",
        _BATCH,
        ("3c9b37f8-13a6-43d8-bad3-b863b941fedd",),
        (DATA_LAKE,),
        ("Copy", MAPPING_TRANSFORM),
        False,
        scheduled=True,
    ),
)

FLOW_SPECS = Catalogue(_FLOW_SPECS, _partners_flow)
