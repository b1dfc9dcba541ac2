"""Writes the items of an older version, for the fixtures of these tests. By hand, with that version on the path:

    git archive COMMIT contract worker | tar -x -C OLD
    PYTHONPATH=OLD python tests/worker/upgrade/write_items.py > tests/worker/upgrade/items-NAME.json

It must not be run with this version's own code: then nothing would be proven.
"""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path
from typing import Any

sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != Path(__file__).resolve().parents[3]]
sys.path.append(str(Path(__file__).parent))

from scenario import AS_OF, BEFORE, LAST, MAPPINGS, OWNER, REFERRERS, STEPS_OF_LAST, Change  # type: ignore[import-not-found]  # noqa: E402

from worker.mapping.loader import read_mappings  # noqa: E402
from worker.projection.engine import project  # noqa: E402
from worker.projection.plan import make_plan  # noqa: E402
from worker.records.rows import RowChange  # noqa: E402
from worker.records.version import change_version  # noqa: E402
from worker.store.memory import MemoryStore  # noqa: E402


def main() -> None:
    mapping, problems = read_mappings(MAPPINGS)
    assert mapping is not None, problems
    plan, store, more = make_plan(mapping), MemoryStore(), _dues()
    for batch in BEFORE:
        store.drive(project(plan, map(_change, batch), AS_OF, *more))
    steps = project(plan, map(_change, LAST), AS_OF, *more)
    replies: Any = None
    for _ in range(STEPS_OF_LAST):
        replies = store.run(steps.send(replies))
    items = [{"table": table.value, "item": item} for (table, _, _), item in sorted(store.items.items(), key=_order)]
    print(json.dumps(items, indent=0, sort_keys=True))  # noqa: T201  it is a program


def _dues() -> list[Any]:
    if "dues" not in inspect.signature(project).parameters:
        return []
    from worker.projection.due import Dues
    from worker.projection.referrers import limits

    return [Dues(OWNER, iter(map(str, range(1000))).__next__, limits(REFERRERS))]


def _change(change: Change) -> RowChange:
    table, key, position, row, missing = change
    return RowChange(table, key, change_version(1, position, 1), row, missing)


def _order(entry: Any) -> Any:
    (table, pk, sk), _ = entry
    return table.value, pk, sk


if __name__ == "__main__":
    main()
