"""Clients of AWS for every region of an environment, and whose account it is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from cloudformation.deploy.errors import DeployError


@dataclass(frozen=True, slots=True)
class Identity:
    """Who deploys, and into which account."""

    account: str
    arn: str


class Aws:
    """Clients, one of each service and region. Credentials and endpoint come from where AWS's own tools take them."""

    def __init__(self, profile: str | None = None) -> None:
        try:
            self._session = boto3.Session(profile_name=profile)
        except BotoCoreError as error:
            raise DeployError(f"AWS: {error}") from None
        self.client = cache(self._client)

    def _client(self, service: str, region: str) -> Any:
        config = Config(retries={"total_max_attempts": 10, "mode": "standard"}, connect_timeout=10, read_timeout=60)
        return self._session.client(service, region_name=region, config=config)

    def identity(self, region: str) -> Identity:
        """Whose credentials these are. Raises DeployError: there are none, or they are not valid."""
        try:
            found = self.client("sts", region).get_caller_identity()
        except (ClientError, BotoCoreError) as error:
            raise DeployError(f"AWS in {region}: no valid credentials: {' '.join(str(error).split())}") from None
        return Identity(found["Account"], found["Arn"])

    def unusable(self, region: str) -> str | None:
        """Why stacks of a region cannot be looked at; None if they can."""
        if region not in self._session.get_available_regions("cloudformation", self._partition(region)):
            return f"{region} is no region of AWS (or this boto3 is older than it)"
        try:
            self.client("cloudformation", region).list_stacks(StackStatusFilter=["CREATE_IN_PROGRESS"])
        except (ClientError, BotoCoreError) as error:
            return f"{region} cannot be used: {' '.join(str(error).split())}"
        return None

    def _partition(self, region: str) -> str:
        try:
            return str(self._session.get_partition_for_region(region))
        except BotoCoreError:
            return "aws"
