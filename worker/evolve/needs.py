"""What the step from one mapping to another needs, aggregate by aggregate and table by table. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum

from contract.mapping import Aggregate, Mapping, Reference, Table
from worker.evolve.differences import Difference, Effect, differences


class Need(StrEnum):
    """What has to be done for an aggregate. A reload is enough for what it reaches, but not for rows that vanished."""

    NOTHING = "nothing"
    REBUILD = "rebuild"
    RELOAD = "reload, then rebuild"
    DELETE = "delete its documents"


@dataclass(frozen=True, slots=True)
class Reload:
    """A table that DMS must load again (or for the first time), and why: reasons by column, "" for the whole table."""

    table: str
    by_column: tuple[tuple[str, str], ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """In words, each once."""
        return tuple(dict.fromkeys(reason for _, reason in self.by_column))

    def concerns(self, columns: Collection[str]) -> tuple[str, ...]:
        """The reasons that matter to who uses these columns."""
        return tuple(dict.fromkeys(reason for column, reason in self.by_column if column in ("", *columns)))


@dataclass(frozen=True, slots=True)
class AggregateNeeds:
    """What one aggregate needs. A generation of None: it is not in that mapping.

    `reloads`: tables that it waits for, because of columns that it uses itself.
    """

    name: str
    need: Need
    differences: tuple[Difference, ...]
    old_generation: int | None
    new_generation: int | None
    reloads: tuple[Reload, ...]
    indexes: int

    @property
    def generation_problem(self) -> str | None:
        """What is wrong with the generation, if anything."""
        old, new = self.old_generation, self.new_generation
        if old is None or new is None:
            return None
        if new < old:
            return (
                f"the generation was lowered from {old} to {new}: workers would stop at documents of generation {old}"
            )
        changed = any(difference.effect is Effect.DOCUMENTS for difference in self.differences)
        if (changed or self.reloads) and new == old:
            return (
                f"raise the generation to {old + 1}: else a worker with the old mapping undoes what a new one has"
                " written while both run"
            )
        return None


@dataclass(frozen=True, slots=True)
class Evolution:
    """Everything the step needs.

    `edges`: by table, how many foreign keys are newly followed: each of its rows gets an edge for each of them.
    `unused`: tables that no mapping uses any more; their rows stay stored.
    """

    aggregates: tuple[AggregateNeeds, ...]
    reloads: tuple[Reload, ...]
    edges: dict[str, int]
    unused: tuple[str, ...]

    @property
    def something_to_do(self) -> bool:
        """Whether anything is needed at all, a raised generation included."""
        needs = any(a.need is not Need.NOTHING or a.generation_problem for a in self.aggregates)
        return needs or bool(self.reloads)


def evolve(old: Mapping, new: Mapping) -> Evolution:
    """Compare two mappings."""
    reloads = {}
    for name, table in new.tables.items():
        reasons = tuple(_reasons(old.tables.get(name), table, old, new))
        if reasons:
            reloads[name] = Reload(name, reasons)
    before = {aggregate.name: aggregate for aggregate in old.aggregates}
    after = {aggregate.name: aggregate for aggregate in new.aggregates}
    needs = [_aggregate(before.get(name), after.get(name), reloads) for name in dict.fromkeys((*before, *after))]
    unused = tuple(name for name in old.tables if name not in new.tables)
    edges = {name: len(set(table.references) - _known(old, name)) for name, table in new.tables.items()}
    return Evolution(
        tuple(needs), tuple(reloads.values()), {name: count for name, count in edges.items() if count}, unused
    )


def _known(old: Mapping, table: str) -> set[Reference]:
    return set(old.tables[table].references) if table in old.tables else set()


def _reasons(old: Table | None, new: Table, before: Mapping, after: Mapping) -> Iterator[tuple[str, str]]:
    if old is None:
        yield "", "no mapping used it before"
        return
    if old.key != new.key:
        yield "", f"its key is {', '.join(new.key)}, it was {', '.join(old.key)}: images are stored by key"
    if added := sorted(set(new.columns) - set(old.columns)):
        yield from ((column, f"not kept before: {', '.join(added)}") for column in added)
    policies = before.policies.get(new.name, {}), after.policies.get(new.name, {})
    for column in sorted(set(old.columns) | set(new.columns)):
        was, now = (policy.get(column) for policy in policies)
        if was is not now:
            kept = "kept as it is"
            yield column, f"{column} was {was or kept}, is {now or kept}: stored values are the old ones"


def _aggregate(old: Aggregate | None, new: Aggregate | None, reloads: dict[str, Reload]) -> AggregateNeeds:
    if new is None:
        assert old is not None  # noqa: S101  for the type checker: it is in one of the mappings
        return AggregateNeeds(old.name, Need.DELETE, (), old.generation, None, (), len(old.indexes))
    tables = Mapping((new,)).tables
    used = ((reload, reload.concerns(tables[name].columns)) for name, reload in reloads.items() if name in tables)
    waits_for = tuple(Reload(reload.table, tuple(("", why) for why in reasons)) for reload, reasons in used if reasons)
    found = tuple(differences(old, new)) if old is not None else ()
    changed = old is None or any(difference.effect is not Effect.NOTHING for difference in found)
    need = Need.RELOAD if waits_for else Need.REBUILD if changed else Need.NOTHING
    generation = old.generation if old is not None else None
    return AggregateNeeds(new.name, need, found, generation, new.generation, waits_for, len(new.indexes))
