"""Clients of the supervisor, and whether the things on AWS that the worker needs are there."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from worker.rebuild.stored_format import refusal
from worker.settings import Settings

AwsError = (BotoCoreError, ClientError)


@dataclass(frozen=True, slots=True)
class Clients:
    """boto3 clients; they may be used by several threads."""

    dynamodb: Any
    kinesis: Any


def clients(settings: Settings) -> Clients:
    """Clients that give up soon: what they serve is done again later, or by KCL itself."""
    config = Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 3, "mode": "standard"})
    session = boto3.Session(region_name=settings.region)
    url = settings.endpoint_url or None
    return Clients(
        session.client("dynamodb", config=config, endpoint_url=url),
        session.client("kinesis", config=config, endpoint_url=url),
    )


def reason(error: BaseException) -> str:
    """The service's error code, or the class of a failure on the way to it; never its text."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "ClientError"))
    return type(error).__name__


def missing_resources(found: Clients, settings: Settings) -> Iterator[str]:
    """One line for each table or stream that is not there or cannot be looked at, with what to do."""
    where = f" in {settings.region}" + (f" at {settings.endpoint_url}" if settings.endpoint_url else "")
    tables = {
        "NEARVIEW_ROWS_TABLE": settings.rows_table,
        "NEARVIEW_DOCUMENTS_TABLE": settings.documents_table,
        "NEARVIEW_PARKED_TABLE": settings.parked_table,
    }
    for setting, table in tables.items():
        try:
            found.dynamodb.describe_table(TableName=table)
        except AwsError as error:
            yield _line(setting, f"table {table}", where, reason(error))
    try:
        found.kinesis.describe_stream_summary(StreamName=settings.stream)
    except AwsError as error:
        yield _line("NEARVIEW_STREAM", f"stream {settings.stream}", where, reason(error))


def newer_format(found: Clients, settings: Settings) -> Iterator[str]:
    """One line if a newer version has written to the tables, or if that cannot be known. Nothing is written."""
    try:
        line = refusal(found.dynamodb, settings.rows_table)
    except AwsError as error:
        line = f"NEARVIEW_ROWS_TABLE: table {settings.rows_table} cannot be read in {settings.region}: {reason(error)}"
    if line:
        yield line


def _line(setting: str, thing: str, where: str, code: str) -> str:
    if code == "ResourceNotFoundException":
        return f"{setting}: {thing} does not exist{where}; deploy it first, or correct the setting"
    return f"{setting}: {thing} cannot be described{where}: {code}"
