"""One target under coverage-guided fuzzing: `python -m tests.fuzz.drive TARGET FOLDER SECONDS`. Needs atheris.

Inputs that reached something new, and every finding, are kept in the folder. The exit code is libFuzzer's: 0 when the
time is over, else 77 after the first finding.
"""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from random import Random

import atheris

with atheris.instrument_imports(
    include=["contract", "worker", "api_lambdas", "local.dms"], enable_loader_override=False
):
    from tests.fuzz.targets import HEADS, TARGETS

from tests.fuzz.mutate import MAX_BYTES, mutated
from tests.fuzz.parts import Target

LONGEST_RUN_SECONDS = 20
MEMORY_MEGABYTES = 3000


def corpus(target: Target, folder: Path) -> tuple[bytes, ...]:
    """The seeds, written into the folder where libFuzzer reads them."""
    folder.mkdir(parents=True, exist_ok=True)
    found = tuple(target.seeds())
    for number, seed in enumerate(found):
        (folder / f"seed-{number:04d}").write_bytes(seed)
    return found


def main(name: str, folder: Path, seconds: int, seed: int) -> None:
    """Fuzz until the time is over or something is found."""
    target = TARGETS[name]
    seeds = corpus(target, folder / "corpus")

    def mutate(data: bytes, max_size: int, number: int) -> bytes:
        rng = Random(number)
        if rng.random() < 0.2:
            return bytes(atheris.Mutate(data, max_size))
        return mutated(data, rng, HEADS[name], seeds)[:max_size]

    arguments = {
        "max_total_time": seconds,
        "max_len": MAX_BYTES,
        "timeout": LONGEST_RUN_SECONDS,
        "rss_limit_mb": MEMORY_MEGABYTES,
        "seed": seed,
        "artifact_prefix": f"{folder}/",
        "print_final_stats": 1,
        "reload": 0,
        "verbosity": 1,
    }
    flags = [f"-{key}={value}" for key, value in arguments.items()]
    gc.freeze()
    atheris.Setup([sys.argv[0], *flags, str(folder / "corpus")], target.check, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
