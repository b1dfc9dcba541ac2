"""One function in a fresh interpreter, asked the same events again and again for some seconds.

`python -I -S bench/load_child.py FOLDERS MODULE SECONDS RESULT <EVENTS`; what it prints first says that it is ready,
and it begins when its input has a second line, so that all begin together.
"""

import os
import sys
import time


def main(folders: str, module: str, seconds: float, result: str) -> None:
    """Write what was measured, in milliseconds, to the file RESULT."""
    # what the function writes goes nowhere, as its cost would be another pipe's
    out = os.dup(1)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    sys.path[:0] = folders.split(":")
    handler = __import__(module, fromlist=["handler"]).handler

    import json
    from pathlib import Path

    events = json.loads(sys.stdin.readline())
    firsts = [handler(event, None) for event in events]
    for _ in range(20):
        for event in events:
            handler(event, None)
    os.write(out, b"ready\n")
    sys.stdin.readline()
    own: list[float] = []
    whole: list[float] = []
    statuses: dict[int, int] = {}
    wrong = 0
    begun = time.perf_counter()
    while time.perf_counter() - begun < seconds:
        for event, first in zip(events, firsts, strict=True):
            wall, cpu = time.perf_counter(), time.process_time()
            answer = handler(event, None)
            own.append((time.process_time() - cpu) * 1000)
            whole.append((time.perf_counter() - wall) * 1000)
            statuses[answer["statusCode"]] = statuses.get(answer["statusCode"], 0) + 1
            wrong += answer["body"] != first["body"]
    took = time.perf_counter() - begun
    found = {"own_ms": own, "whole_ms": whole, "statuses": statuses, "wrong": wrong, "seconds": took}
    Path(result).write_text(json.dumps({**found, "bodies": [first["body"] for first in firsts]}), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4])
