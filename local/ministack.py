"""MiniStack, the stand-in for AWS: one process, every service on one port of 127.0.0.1, state in memory."""

import os
import shutil
import socket
import sys
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from local.processes import ProcessError, Processes, free_port

NAME = "ministack"
VERSION = "1.5.33"  # older ones differ too much from DynamoDB, newer ones have not been compared with it
REGION = "eu-west-1"
ACCOUNT = "000000000000"
START_SECONDS = 30
PROGRAM = (str(Path(__file__).parent / "emulator" / "ministack_program.py"),)
_NO_PROXY = "127.0.0.1,localhost"


@dataclass(frozen=True, slots=True)
class MiniStack:
    """A running MiniStack and how to reach it."""

    port: int
    region: str = REGION

    @property
    def url(self) -> str:
        """The endpoint of every service, for AWS_ENDPOINT_URL."""
        return f"http://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        """What a process needs in its environment so that any AWS SDK in it talks to this MiniStack only."""
        proxyless = ",".join(filter(None, (os.environ.get("NO_PROXY"), _NO_PROXY)))
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_SESSION_TOKEN": "",
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": proxyless,
            "no_proxy": proxyless,
        }

    def client(self, service: str, region: str | None = None) -> Any:
        """A boto3 client of this MiniStack; the machine's own AWS settings and proxies play no part."""
        return _client(self.url, service, region or self.region)


def start(
    processes: Processes, port: int | None = None, program: Sequence[str] = PROGRAM, region: str = REGION
) -> MiniStack:
    """Start MiniStack on the port (default: a free one) and return when it answers; ProcessError if it does not.

    `program` is what Python runs: `local/emulator/ministack_program.py`, or what a test puts in its place.
    """
    installed = metadata.version("ministack")
    if installed != VERSION:
        raise ProcessError(f"ministack {installed} is installed, {VERSION} is needed")
    ministack = MiniStack(port or free_port(), region)
    if port and _listens(port):  # else the other server's answers would be taken for ours
        raise ProcessError(f"port {port} of 127.0.0.1 is in use: choose another one for MiniStack")
    temporary = _temporary_folder(processes)
    shutil.rmtree(temporary, ignore_errors=True)  # of a run that was killed
    temporary.mkdir(parents=True)
    processes.start(
        NAME,
        [sys.executable, *program],
        env={
            **ministack.environment(),
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(ministack.port),
            "MINISTACK_HOST": "localhost",
            "MINISTACK_REGION": region,
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "LOG_LEVEL": "WARNING",
            "PERSIST_STATE": "0",
            "S3_PERSIST": "0",
            "SFTP_ENABLED": "0",  # else it listens on ports of its own
            "IOT_MTLS_ENABLED": "0",
            "LAMBDA_EXECUTOR": "local",  # handlers run in warm Python processes, no Docker
            "TMPDIR": str(temporary),  # unpacked functions and its pid file
            "PYTHONPATH": "",  # a function must find its code in its zip file, not in our checkout
        },
    )
    try:
        processes.wait_until(lambda: _ready(ministack), START_SECONDS, "MiniStack's answer", watch=[NAME])
    except ProcessError:
        stop(processes)
        raise
    return ministack


def stop(processes: Processes) -> bool:
    """Stop MiniStack; all its state is gone. Returns whether it ran."""
    ran = processes.stop(NAME, grace_seconds=5)
    shutil.rmtree(_temporary_folder(processes), ignore_errors=True)
    return ran


def _temporary_folder(processes: Processes) -> Path:
    return processes.folder / "ministack"


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _ready(ministack: MiniStack) -> bool:
    try:
        with _direct.open(f"{ministack.url}/_ministack/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:  # refused, not ready yet (503), too slow
        return False


_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@lru_cache(maxsize=64)
def _client(url: str, service: str, region: str) -> Any:
    return _session().client(
        service,
        endpoint_url=url,
        region_name=region,
        config=Config(proxies={}, retries={"total_max_attempts": 5, "mode": "standard"}),
    )


@lru_cache(maxsize=1)
def _session() -> boto3.Session:
    return boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)  # noqa: S106
