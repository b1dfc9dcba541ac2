"""All examples of a folder of mappings: read, chosen, run, counted."""

from __future__ import annotations

from collections.abc import Mapping as Texts
from dataclasses import dataclass

from contract.mapping import Mapping
from worker.examples.coverage import Coverage, add_example, empty_coverage
from worker.examples.model import Example
from worker.examples.reader import read_examples
from worker.examples.records import make_records
from worker.examples.run import Outcome, run_example
from worker.mapping.problems import File, Problem
from worker.projection.plan import make_plan

Ready = tuple[Example, list[bytes]]
"""An example with the records of its changes."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a run of examples showed. `coverage` has an entry for every aggregate, in the mapping's order."""

    outcomes: tuple[Outcome, ...]
    coverage: tuple[Coverage, ...]

    @property
    def failed(self) -> int:
        """How many examples failed."""
        return sum(bool(outcome.failures) for outcome in self.outcomes)


def read_suite(texts: Texts[str, str], mapping: Mapping) -> tuple[list[Ready], list[Problem]]:
    """Every example in the mapping files' texts (by path), or all problems, sorted."""
    ready: list[Ready] = []
    problems: list[Problem] = []
    for path, text in texts.items():
        file = File(path)
        for example in read_examples(text, file, mapping):
            records, found = make_records(example, mapping)
            ready.append((example, records))
            problems += found
        problems += file.problems
    return ready, sorted(problems)


def chosen(suite: list[Ready], part: str) -> list[Ready]:
    """The examples whose `aggregate: name` holds the text, upper and lower case alike."""
    return [ready for ready in suite if part.casefold() in f"{ready[0].aggregate}: {ready[0].name}".casefold()]


def run_suite(suite: list[Ready], mapping: Mapping) -> Result:
    """Run examples and count what they exercise."""
    plan = make_plan(mapping)
    aggregates = {aggregate.name: aggregate for aggregate in mapping.aggregates}
    coverage = {name: empty_coverage(aggregate) for name, aggregate in aggregates.items()}
    outcomes = []
    for example, records in suite:
        outcome = run_example(example, records, plan)
        outcomes.append(outcome)
        add_example(coverage[example.aggregate], aggregates[example.aggregate], example, outcome.store)
    return Result(tuple(outcomes), tuple(coverage.values()))
