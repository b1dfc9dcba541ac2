"""One function in a fresh interpreter, as Lambda runs it: import, first answer, warm answers; processor time of each.

`python -I -S bench/answers.py FOLDERS MODULE CALLS RESULT <EVENT`: FOLDERS (joined by `:`) hold the function and what
it imports; nothing else is imported before it but what an interpreter needs to start.
"""

import sys
import time


def main(folders: str, module: str, calls: int, result: str) -> None:
    """Write what was measured, in milliseconds, to the file RESULT."""
    sys.path[:0] = folders.split(":")
    wall, cpu = time.perf_counter(), time.process_time()
    handler = __import__(module, fromlist=["handler"]).handler
    import_ms, import_wall_ms = (time.process_time() - cpu) * 1000, (time.perf_counter() - wall) * 1000

    import json  # not before the function's own imports are measured
    from pathlib import Path

    event = json.loads(sys.stdin.read())
    started = time.process_time()
    first = handler(event, None)
    cold_ms = import_ms + (time.process_time() - started) * 1000
    warm_ms = []
    for _ in range(calls):
        started = time.process_time()
        answer = handler(event, None)
        warm_ms.append((time.process_time() - started) * 1000)
        if answer["statusCode"] != 200 or answer["body"] != first["body"]:
            raise SystemExit(f"not the document: {answer['statusCode']}")
    found = {
        "import_ms": import_ms,
        "import_wall_ms": import_wall_ms,
        "cold_ms": cold_ms,
        "warm_ms": warm_ms,
        "body": first["body"],
    }
    Path(result).write_text(json.dumps(found), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
