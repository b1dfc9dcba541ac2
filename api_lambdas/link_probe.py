"""The link probe: once a minute it connects to the monolith's service and writes how that went as a metric.

A line of CloudWatch's embedded metric format on stdout becomes metrics; no right and no SDK is needed for it.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Mapping
from typing import Any, Final

NAMESPACE: Final = "nearview"
TIMEOUT_SECONDS: Final = 5.0


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001  the runtime's signature
    """What Lambda calls, on a schedule. It never raises: a probe that fails says so as a metric."""
    host, port = os.environ.get("PROBE_HOST", ""), os.environ.get("PROBE_PORT", "")
    millis = connect_millis(host, int(port)) if host and port.isdecimal() else None
    text = metrics(os.environ.get("PROBE_NAME", NAMESPACE), millis, int(time.time() * 1000))
    sys.stdout.write(text + "\n")
    return {"up": millis is not None}


def connect_millis(host: str, port: int, timeout_seconds: float = TIMEOUT_SECONDS) -> float | None:
    """How long a connection took, name resolution included; None if there was none in time."""
    started = time.perf_counter()
    try:
        socket.create_connection((host, port), timeout_seconds).close()
    except (OSError, UnicodeError, OverflowError):
        return None
    return round((time.perf_counter() - started) * 1000, 1)


def metrics(project: str, millis: float | None, at_millis: int) -> str:
    """LinkUp, 1 or 0, and LinkMillis of a link that is up, in the embedded metric format."""
    names: list[dict[str, str]] = [{"Name": "LinkUp", "Unit": "Count"}]
    values: dict[str, float] = {"LinkUp": 0 if millis is None else 1}
    if millis is not None:
        names.append({"Name": "LinkMillis", "Unit": "Milliseconds"})
        values["LinkMillis"] = millis
    directive = {"Namespace": NAMESPACE, "Dimensions": [["Project"]], "Metrics": names}
    return json.dumps(
        {"_aws": {"Timestamp": at_millis, "CloudWatchMetrics": [directive]}, "Project": project, **values}
    )
