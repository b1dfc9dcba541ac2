"""What a change of the mappings needs, as lines for people and as a JSON object for programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from worker.evolve.cost import Estimate
from worker.evolve.needs import AggregateNeeds, Evolution, Need


def print_evolution(
    evolution: Evolution, estimate: Estimate, price_per_million: float, regions: int, *, has_source: bool
) -> None:
    """Aggregates with their differences, tables to reload, writes and their price.

    `has_source`: the source's statistics were asked, so what has no count has no statistics.
    """
    for aggregate in evolution.aggregates:
        click.echo(f"{aggregate.name}: {_need(aggregate)}")
        for line in _reasons(aggregate):
            click.echo(f"    {line}")
    for reload in evolution.reloads:
        click.echo(f"reload {reload.table}: {'; '.join(reload.reasons)}")
    for table, count in evolution.edges.items():
        keys = "1 foreign key is" if count == 1 else f"{count} foreign keys are"
        click.echo(f"edges of {table}: {keys} newly followed; loading or rebuilding puts them")
    if evolution.unused:
        click.echo(
            f"no longer used: {', '.join(evolution.unused)}: leave them out of the DMS task; their rows stay stored"
        )
    if not evolution.something_to_do:
        click.echo("nothing to do")
        return
    for writes in estimate.writes:
        each = " in each region" if writes.documents else ""
        click.echo(f"writes: {writes.what}: about {writes.items:,} items, {writes.units:,} units{each}")
    if estimate.writes:
        documents = estimate.cost(price_per_million, documents=True)
        rows = estimate.cost(price_per_million, documents=False)
        click.echo(
            f"cost: about {documents:,.2f} USD a region for documents, {rows:,.2f} USD for rows,"
            f" {documents * regions + rows:,.2f} USD in {regions} {'region' if regions == 1 else 'regions'}"
            f" (at {price_per_million} USD a million units, an example: look up your own price)"
        )
    if estimate.unknown:
        hint = (
            "no statistics: ANALYZE in the source, or --count NAME=N" if has_source else "--count NAME=N, or --source"
        )
        click.echo(f"not counted: {', '.join(estimate.unknown)} ({hint})")


def _reasons(aggregate: AggregateNeeds) -> Iterator[str]:
    if aggregate.generation_problem:
        yield f"generation: {aggregate.generation_problem}"
    for difference in aggregate.differences:
        yield f"{difference.path}: {difference.words}"
    if not aggregate.differences:
        for reload in aggregate.reloads:
            yield f"because of {reload.table}: {'; '.join(reload.reasons)}"


def _need(aggregate: AggregateNeeds) -> str:
    if aggregate.need is Need.DELETE:
        return "no mapping makes it any more: its documents stay until they are deleted"
    command = f"nearview rebuild {aggregate.name}"
    tables = ", ".join(reload.table for reload in aggregate.reloads)
    words = {
        Need.NOTHING: "nothing to do",
        Need.REBUILD: f"rebuild its documents from the stored rows ({command})",
        Need.RELOAD: f"reload {tables}, then rebuild its documents ({command})",
    }[aggregate.need]
    return f"new; {words}" if aggregate.old_generation is None else words


def as_json(evolution: Evolution, estimate: Estimate, price_per_million: float, regions: int) -> dict[str, Any]:
    """The same for programs."""
    documents = estimate.cost(price_per_million, documents=True)
    rows = estimate.cost(price_per_million, documents=False)
    return {
        "something_to_do": evolution.something_to_do,
        "aggregates": [_aggregate(aggregate) for aggregate in evolution.aggregates],
        "reloads": [{"table": reload.table, "reasons": list(reload.reasons)} for reload in evolution.reloads],
        "new_edges": evolution.edges,
        "unused_tables": list(evolution.unused),
        "writes": [
            {"what": w.what, "items": w.items, "units": w.units, "in_each_region": w.documents} for w in estimate.writes
        ],
        "not_counted": list(estimate.unknown),
        "price_per_million_units_usd": price_per_million,
        "cost_usd": {"documents_per_region": documents, "rows": rows, "all": documents * regions + rows},
        "regions": regions,
    }


def _aggregate(aggregate: AggregateNeeds) -> dict[str, Any]:
    return {
        "aggregate": aggregate.name,
        "need": str(aggregate.need),
        "old_generation": aggregate.old_generation,
        "new_generation": aggregate.new_generation,
        "generation_problem": aggregate.generation_problem,
        "reload": [reload.table for reload in aggregate.reloads],
        "differences": [{"path": d.path, "words": d.words, "effect": str(d.effect)} for d in aggregate.differences],
    }
