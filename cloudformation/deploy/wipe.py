"""Deletes what holds data and would outlive its stack. Only a removal does this that was told to, in so many words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from cloudformation.deploy.errors import Failed
from cloudformation.deploy.site import Clients

POLL_SECONDS: Final = 5.0
_POLLS: Final = 360
KEY_DAYS: Final = 30  # until a key is really gone; it can be brought back before
Sleep = Callable[[float], None]
_GONE: Final = ("NotFound", "NoSuchBucket", "does not exist")


def wipe(clients: Clients, region: str, kind: str, physical_id: str, sleep: Sleep) -> None:
    """Delete one resource and all it holds; nothing if it is gone. Raises Failed: it refuses."""
    try:
        WIPES[kind](clients, region, physical_id, sleep)
    except ClientError as error:
        if any(text in str(error) for text in _GONE):
            return
        message = error.response["Error"].get("Message", "") or str(error)
        raise Failed(f"{physical_id} in {region}: {error.operation_name}: {message}") from None
    except BotoCoreError as error:
        raise Failed(f"{physical_id} in {region}: {' '.join(str(error).split())}") from None


def _table(clients: Clients, region: str, name: str, sleep: Sleep) -> None:
    """With its replicas: a table that has any cannot be deleted."""
    client = clients.client("dynamodb", region)
    table = client.describe_table(TableName=name)["Table"]
    replicas = [one["RegionName"] for one in table.get("Replicas", ()) if one["RegionName"] != region]
    for place in (region, *replicas):
        there = clients.client("dynamodb", place)
        if there.describe_table(TableName=name)["Table"].get("DeletionProtectionEnabled"):
            there.update_table(TableName=name, DeletionProtectionEnabled=False)
            _until_active(there, name, sleep)
    for place in replicas:
        client.update_table(TableName=name, ReplicaUpdates=[{"Delete": {"RegionName": place}}])
        _until(lambda place=place: place not in _replicas(client, name), f"replica of {name} in {place}", sleep)  # type: ignore[misc]
        _until_active(client, name, sleep)
    client.delete_table(TableName=name)
    _until(lambda: _status(client, name) is None, f"end of table {name}", sleep)


def _replicas(client: Any, name: str) -> list[str]:
    return [one["RegionName"] for one in client.describe_table(TableName=name)["Table"].get("Replicas", ())]


def _status(client: Any, name: str) -> str | None:
    try:
        return str(client.describe_table(TableName=name)["Table"]["TableStatus"])
    except client.exceptions.ResourceNotFoundException:
        return None


def _until_active(client: Any, name: str, sleep: Sleep) -> None:
    _until(lambda: _status(client, name) in ("ACTIVE", None), f"table {name}", sleep)


def _until(reached: Callable[[], bool], what: str, sleep: Sleep) -> None:
    for _ in range(_POLLS):
        if reached():
            return
        sleep(POLL_SECONDS)
    raise Failed(f"{what} took longer than {_POLLS * POLL_SECONDS / 60:.0f} minutes: run again")


def _bucket(clients: Clients, region: str, name: str, _sleep: Sleep) -> None:
    """With all versions; a locked one refuses, and its reason is shown."""
    client = clients.client("s3", region)
    for page in client.get_paginator("list_object_versions").paginate(Bucket=name):
        found = [
            {"Key": one["Key"], "VersionId": one["VersionId"]}
            for one in (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
        ]
        if found:
            answer = client.delete_objects(Bucket=name, Delete={"Objects": found, "Quiet": True})
            if errors := answer.get("Errors"):
                raise Failed(f"bucket {name} in {region}: {len(errors)} objects stay: {errors[0].get('Message', '')}")
    client.delete_bucket(Bucket=name)


def _key(clients: Clients, region: str, key: str, _sleep: Sleep) -> None:
    client = clients.client("kms", region)
    if client.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] != "PendingDeletion":
        client.schedule_key_deletion(KeyId=key, PendingWindowInDays=KEY_DAYS)


def _stream(clients: Clients, region: str, name: str, sleep: Sleep) -> None:
    client = clients.client("kinesis", region)
    client.delete_stream(StreamName=name, EnforceConsumerDeletion=True)

    def gone() -> bool:
        try:
            client.describe_stream_summary(StreamName=name)
        except client.exceptions.ResourceNotFoundException:
            return True
        return False

    _until(gone, f"end of stream {name}", sleep)


def _repository(clients: Clients, region: str, name: str, _sleep: Sleep) -> None:
    clients.client("ecr", region).delete_repository(repositoryName=name, force=True)


def _queue(clients: Clients, region: str, url: str, _sleep: Sleep) -> None:
    clients.client("sqs", region).delete_queue(QueueUrl=url)


# Of other types the stack's own deletion decides: they are deleted with it, or it says that they are retained.
WIPES: Final[Mapping[str, Callable[[Clients, str, str, Sleep], None]]] = {
    "AWS::DynamoDB::Table": _table,
    "AWS::DynamoDB::GlobalTable": _table,
    "AWS::S3::Bucket": _bucket,
    "AWS::KMS::Key": _key,
    "AWS::KMS::ReplicaKey": _key,
    "AWS::Kinesis::Stream": _stream,
    "AWS::ECR::Repository": _repository,
    "AWS::SQS::Queue": _queue,
}
