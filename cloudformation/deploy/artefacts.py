"""What stacks need in their region before they can be, stored under its hash: the functions' code, big templates."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from api_lambdas import package
from cloudformation.deploy.environment import Environment
from cloudformation.deploy.errors import DeployError
from worker.mapping.loader import load_mappings

_PATHS: Final = ("mappings", "commands", "access", "file")


def code(environment: Environment) -> bytes | None:
    """The functions' zip file: given as `file`, or packed from `mappings`; None where the environment has neither."""
    given = environment.artefacts.get("api")
    if not given:
        return None
    where = f"{environment.file}: artefacts: api"
    if unknown := sorted(given.keys() - set(_PATHS)):
        raise DeployError(f"{where}: unknown key {', '.join(unknown)} (known: {', '.join(_PATHS)})")
    paths = {name: environment.folder / value for name, value in given.items()}
    try:
        if "file" in paths:
            return paths["file"].read_bytes()
        if "mappings" not in paths:
            raise DeployError(f"{where}: it needs mappings (a folder) or file (a zip file)")
        return _packed(paths, where)
    except (OSError, UnicodeDecodeError) as error:
        raise DeployError(f"{where}: cannot be read: {error}") from None


def _packed(paths: Mapping[str, Path], where: str) -> bytes:
    mapping, problems = load_mappings(paths["mappings"])
    if mapping is None or problems:
        raise DeployError(*(f"{where}: {problem}" for problem in problems))
    commands = paths.get("commands", package.COMMANDS_FILE)
    access = paths.get("access", package.ACCESS_FILE)
    try:
        return package.build(
            mapping.to_json(),
            commands.read_text("utf-8"),
            str(commands),
            access_yaml=access.read_text("utf-8"),
            access_name=str(access),
        )
    except package.PackageError as error:
        raise DeployError(*(f"{where}: {problem}" for problem in error.problems)) from None


def code_key(zipped: bytes) -> str:
    """Other code has another key, so that functions are updated; the same code has the same in every region."""
    return f"lambda/{hashlib.sha256(zipped).hexdigest()}.zip"


class Bucket:
    """The bucket of artefacts in one region. Methods raise DeployError."""

    def __init__(self, client: Any, region: str, name: str) -> None:
        self._client = client
        self._region = region
        self._name = name

    def add(self, key: str, body: bytes) -> bool:
        """Store what is stored under its hash; whether it was not there yet."""
        try:
            self._client.head_object(Bucket=self._name, Key=key)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                raise self._refused(key, error) from None
        except BotoCoreError as error:
            raise self._refused(key, error) from None
        else:
            return False
        self.put(key, body)
        return True

    def put(self, key: str, body: bytes) -> None:
        """Store it, in place of what was there."""
        try:
            self._client.put_object(Bucket=self._name, Key=key, Body=body)
        except (ClientError, BotoCoreError) as error:
            raise self._refused(key, error) from None

    def url(self, key: str) -> str:
        """The object's address, as CloudFormation takes it for a template."""
        return f"{self._client.meta.endpoint_url}/{self._name}/{key}"

    def _refused(self, key: str, error: Exception) -> DeployError:
        return DeployError(f"bucket {self._name} in {self._region}: {key}: {' '.join(str(error).split())}")
