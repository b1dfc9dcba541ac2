"""What a change of the mappings needs, as lines for people and as a JSON object for programs."""

from __future__ import annotations

from typing import Any

import click

from worker.evolve.cost import Estimate
from worker.evolve.needs import AggregateNeeds, Evolution, Need


def print_evolution(evolution: Evolution, estimate: Estimate, price_per_million: float, regions: int) -> None:
    """Aggregates with their differences, tables to reload, writes and their price."""
    for aggregate in evolution.aggregates:
        click.echo(f"{aggregate.name}: {_need(aggregate)}")
        if aggregate.generation_problem:
            click.echo(f"    generation: {aggregate.generation_problem}")
        for difference in aggregate.differences:
            click.echo(f"    {difference.path}: {difference.words}")
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
        click.echo(f"not counted: {', '.join(estimate.unknown)} (--count NAME=N, or --source)")


def _need(aggregate: AggregateNeeds) -> str:
    if aggregate.need is Need.DELETE:
        return "no mapping makes it any more: its documents stay until they are deleted"
    command = f"nearview rebuild {aggregate.name}"
    words = {
        Need.NOTHING: "nothing to do",
        Need.REBUILD: f"rebuild its documents from the stored rows ({command})",
        Need.RELOAD: f"reload {', '.join(aggregate.reloads)}, then rebuild its documents ({command})",
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
        "reload": list(aggregate.reloads),
        "differences": [{"path": d.path, "words": d.words, "effect": str(d.effect)} for d in aggregate.differences],
    }
