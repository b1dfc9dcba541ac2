"""What only shows when all mapping files are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from contract.mapping import Aggregate, Policy, Sensitive
from worker.mapping.facts import Facts, Pair, Spot, TableKey, Use
from worker.mapping.problems import Problem

Policies = dict[tuple[str, str], Policy]


def conflicts(
    aggregates: dict[str, Aggregate], sensitive: Iterable[Sensitive], facts: dict[str, Facts]
) -> Iterator[Problem]:
    """Problems between files, by path; the later of two files has it."""
    policies = {(entry.table, entry.column): entry.policy for entry in sensitive}
    yield from _names(aggregates, facts)
    yield from _keys(entry for found in facts.values() for entry in found.keys)
    yield from _spreads(facts.values())
    yield from _tables(facts.values())
    for found in facts.values():
        yield from (problem for use in found.uses for problem in _use(use, policies))
        yield from (problem for pair in found.pairs for problem in _pair(pair, policies))


def _names(aggregates: dict[str, Aggregate], facts: dict[str, Facts]) -> Iterator[Problem]:
    names: dict[tuple[str, str], str] = {}
    for path, aggregate in aggregates.items():
        for what, name in (("aggregate", aggregate.name), ("collection", aggregate.collection)):
            other = names.setdefault((what, name), path)
            if other != path:
                spots = facts[path].spots
                spot = spots.get(("", what)) or spots["", "aggregate"]
                yield Problem(*spot, f"{what} {name} is already declared in {other}")


def _keys(entries: Iterable[TableKey]) -> Iterator[Problem]:
    keys: dict[str, TableKey] = {}
    for entry in entries:
        first = keys.setdefault(entry.table, entry)
        if first.key != entry.key:
            yield Problem(
                *entry.spot,
                f"table {entry.table} has the key {', '.join(entry.key)} here, but {', '.join(first.key)} at"
                f" {_at(first.spot)}: a table's key is its primary key everywhere, in the same order",
            )


def _spreads(facts: Iterable[Facts]) -> Iterator[Problem]:
    spreads: dict[tuple[str, tuple[str, ...], str], tuple[int, Spot]] = {}
    for entry in (entry for found in facts for entry in found.spreads):
        key = (entry.table, entry.columns, entry.parent)
        spread, spot = spreads.setdefault(key, (entry.spread, entry.spot))
        if spread != entry.spread:
            yield Problem(
                *entry.spot,
                f"the foreign key {', '.join(entry.columns)} of {entry.table} has the spread {entry.spread} here,"
                f" but {spread} at {_at(spot)}: it is one for all",
            )


def _tables(facts: Iterable[Facts]) -> Iterator[Problem]:
    tables: dict[str, Spot] = {}
    for name, spot in (entry for found in facts for entry in found.tables.items()):
        first = tables.setdefault(name, spot)
        if first != spot:
            yield Problem(*spot, f"table {name} is already declared at {_at(first)}")


def _use(use: Use, policies: Policies) -> Iterator[Problem]:
    policy = policies.get((use.table, use.column))
    if policy is Policy.DROP:
        yield Problem(*use.spot, f"{use.table}: {use.column} is dropped as sensitive, no mapping can use it")
    elif policy is Policy.TOKEN and use.plain:
        yield Problem(*use.spot, f"{use.table}: {use.column} is a token of its value, but {use.plain}")


def _pair(pair: Pair, policies: Policies) -> Iterator[Problem]:
    tokens = [side for side in (pair.one, pair.other) if policies.get(side) is Policy.TOKEN]
    if len(tokens) == 1:
        (token,) = tokens
        plain = pair.other if token == pair.one else pair.one
        if policies.get(plain) is not Policy.DROP:
            yield Problem(
                *pair.spot,
                f"{token[0]}: {token[1]} is a token, {plain[0]}: {plain[1]} is not, so they never meet:"
                " make both tokens or none",
            )


def _at(spot: Spot) -> str:
    return f"{spot.path}:{spot.line}"
