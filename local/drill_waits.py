"""What a drill waits for of its callers, and the longest that they had to wait."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from local.drill_clients import Caller
from local.drill_times import first_ok, first_refusal, unavailable_seconds
from local.processes import wait_until

WAIT_SECONDS: Final = 1200


def until_ok(caller: Caller, since: float, region: str) -> float:
    """When a caller got its first success of a region."""
    return wait_until(
        lambda: first_ok(caller.seen, since, region), WAIT_SECONDS, f"an answer of {region}: {caller.name}"
    )


def until_refused(caller: Caller, since: float) -> float:
    """When a caller was first refused with a reason."""
    return wait_until(
        lambda: first_refusal(caller.seen, since), WAIT_SECONDS, f"a refusal with a reason: {caller.name}"
    )


def longest_wait(callers: Sequence[Caller], cut: float) -> float:
    """The longest time without a success that a caller had; a caller that never had one again waited until the end."""
    found = [unavailable_seconds(caller.seen, cut) for caller in callers]
    return round(max(time.time() - cut if seconds is None else seconds for seconds in found), 1)
