"""A client of AWS KMS, and what its failures may be called."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError


def kms_client(region: str, endpoint_url: str) -> Any:
    """It gives up soon: who asks repeats."""
    config = Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 2, "mode": "standard"})
    return boto3.client("kms", region_name=region, endpoint_url=endpoint_url or None, config=config)


def failure(error: Exception) -> str:
    """The service's error code, or the class of a failure on the way to it; never its text."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "ClientError"))
    return type(error).__name__
