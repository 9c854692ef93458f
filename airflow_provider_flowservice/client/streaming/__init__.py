"""Streaming ingestion: inlets, input records and posting."""

from __future__ import annotations

from airflow_provider_flowservice.client.streaming.csv_files import CsvOptions, EmptyCells
from airflow_provider_flowservice.client.streaming.dead_letters import (
    DeadLetters,
    begins_with_dead_letter,
    lines_of_letters,
    unwrapped,
)
from airflow_provider_flowservice.client.streaming.files import FileFormat, file_format, from_file, from_range
from airflow_provider_flowservice.client.streaming.inlet import MAX_REQUEST_BYTES, Envelope, Inlet, inlet_of
from airflow_provider_flowservice.client.streaming.messages import from_messages
from airflow_provider_flowservice.client.streaming.plan import Plan
from airflow_provider_flowservice.client.streaming.posting import Failure, Note, Poster, PostSummary
from airflow_provider_flowservice.client.streaming.rate import Waiting
from airflow_provider_flowservice.client.streaming.records import (
    Cursor,
    InputRecord,
    RecordBlock,
    Records,
    UnreadableRecord,
    count_of,
    place_of,
)
from airflow_provider_flowservice.client.streaming.settled import SettledRecords
