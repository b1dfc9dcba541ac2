"""Health checks from outside, in the place of Route 53 and its alarms: `python -m local.prober CONFIG`.

Each region's API is asked in turn, over its line. After so many failures in a row a region is unhealthy, after as many
successes healthy again; each change is told to the real alarm function as CloudWatch would by way of SNS, until it is
taken. The status file says which regions may be named to callers, as DNS records with health checks do.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from api_lambdas import health_alarm
from local.ministack import ACCOUNT

PATH: Final = "/healthz"
TOLD_AGAIN_SECONDS: Final = 1.0
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Settings:
    """The regions' APIs, how often they are asked, when a silent one counts as failed, and how the function is set."""

    urls: Mapping[str, str]
    project: str
    interval_seconds: float
    timeout_seconds: float
    threshold: int
    status_file: str
    function_environment: Mapping[str, str]


@dataclass(slots=True)
class Check:
    """One region's check. Healthy until shown otherwise."""

    threshold: int
    healthy: bool = True
    against: int = 0
    """Results in a row that speak against what it is."""

    def take(self, answered: bool) -> bool:
        """A result; whether the check's state changes with it."""
        if answered is self.healthy:
            self.against = 0
            return False
        self.against += 1
        if self.against < self.threshold:
            return False
        self.healthy, self.against = answered, 0
        return True


def region_for(order: Sequence[str], healthy: Mapping[str, bool]) -> str:
    """Whom DNS names to a caller whose regions are in this order: the first healthy one; the first if none is."""
    return next((region for region in order if healthy.get(region, True)), order[0])


def event(project: str, region: str, state: str, moment: datetime) -> dict[str, Any]:
    """What the alarm function gets: a CloudWatch alarm in a message of SNS."""
    alarm = {
        "AlarmName": f"{project}-api-{region}",
        "AlarmDescription": f"The API of {region} does not answer from outside",
        "AWSAccountId": ACCOUNT,
        "NewStateValue": state,
        "NewStateReason": "health checks" if state == "ALARM" else "health checks succeed again",
        "OldStateValue": "OK" if state == "ALARM" else "ALARM",
        "StateChangeTime": moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000",
        "Region": "US East (N. Virginia)",
        "Trigger": {
            "MetricName": "HealthCheckStatus",
            "Namespace": "AWS/Route53",
            "Dimensions": [{"name": "HealthCheckId", "value": region}],
        },
    }
    return {
        "Records": [
            {
                "EventSource": "aws:sns",
                "EventVersion": "1.0",
                "Sns": {"Type": "Notification", "Message": json.dumps(alarm)},
            }
        ]
    }


class Prober:
    """Asks, counts, tells."""

    def __init__(
        self, settings: Settings, ask: Callable[[str], bool], tell: Callable[[dict[str, Any]], object]
    ) -> None:
        self._settings = settings
        self._ask = ask
        self._tell = tell
        self._checks = {region: Check(settings.threshold) for region in settings.urls}
        self._changed = dict.fromkeys(settings.urls, 0.0)
        self._told = dict.fromkeys(settings.urls, 0.0)
        self._lock = threading.Lock()

    def run(self) -> None:
        """Until the process ends."""
        self._publish()
        for region in self._settings.urls:
            threading.Thread(target=self._watch, args=(region,), daemon=True).start()
        threading.Event().wait()

    def _watch(self, region: str) -> None:
        while True:
            begun = time.monotonic()
            answered = self._ask(self._settings.urls[region] + PATH)
            if self._checks[region].take(answered):
                self._changed[region] = time.time()
                self._publish()
                threading.Thread(target=self._say, args=(region, answered), daemon=True).start()
            time.sleep(max(0.0, self._settings.interval_seconds - (time.monotonic() - begun)))

    def _say(self, region: str, healthy: bool) -> None:
        moment = datetime.now(UTC)
        while self._checks[region].healthy is healthy:  # a later change is told instead
            try:
                self._tell(event(self._settings.project, region, "OK" if healthy else "ALARM", moment))
            except Exception as error:  # noqa: BLE001  SNS tries again whatever a function fails with
                sys.stderr.write(f"{region}: the alarm function failed: {type(error).__name__}: {error}\n")
                time.sleep(TOLD_AGAIN_SECONDS)
                continue
            self._told[region] = time.time()
            self._publish()
            return

    def _publish(self) -> None:
        with self._lock:
            found = {
                region: {"healthy": check.healthy, "changed": self._changed[region], "told": self._told[region]}
                for region, check in self._checks.items()
            }
            file = Path(self._settings.status_file)
            draft = file.with_suffix(".draft")
            draft.write_text(json.dumps(found))
            draft.replace(file)


def answers(url: str, seconds: float) -> bool:
    """Whether a page answers in time with a success."""
    try:
        with _direct.open(url, timeout=seconds) as reply:
            return bool(reply.status < 400)
    except (OSError, ValueError):
        return False


def write_settings(file: Path, settings: Settings) -> None:
    """For the process."""
    file.write_text(json.dumps(asdict(settings), indent=1))


def main(file: Path) -> None:
    """The process."""
    settings = Settings(**json.loads(file.read_text()))
    os.environ.update(settings.function_environment)
    Prober(
        settings,
        lambda url: answers(url, settings.timeout_seconds),
        lambda told: health_alarm.handler(told, None),
    ).run()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
