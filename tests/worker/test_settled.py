"""Up to which record a shard is settled: what is said outlives the worker, only of its mapping, and never falls."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from msgspec import structs

from contract.mapping import Mapping
from tests.worker.projection.strict_store import StrictStore
from tests.worker.projection.test_features import _plan
from worker.projection.plan import Plan, make_plan
from worker.records.stream import StreamRecord
from worker.settled import SAVE_SECONDS, SETTLED_PK, Settled, digest

MAPPING = """
aggregate: order
source: s.orders
key: id
fields: [id, note]
"""
SHARD = "shardId-000000000007"


def _records(*numbers: int) -> list[StreamRecord]:
    """As long as Kinesis's are, so that their order as text is not that of the numbers."""
    return [StreamRecord(SHARD, str(number), 0, "", b"", 0) for number in numbers]


@dataclass
class Workers:
    """Workers of one shard, one after the other or side by side."""

    store: StrictStore = field(default_factory=StrictStore)
    now: float = 1000.0

    def begin(self, digest: str = "ours") -> Settled:
        """A new one."""
        settled = Settled(SHARD, digest, lambda: self.now)
        self.store.drive(settled.begin())
        return settled

    def done(self, settled: Settled, *numbers: int) -> None:
        """A batch is durable, and it is said."""
        settled.note(_records(*numbers))
        self.now += SAVE_SECONDS
        self.store.drive(settled.save())

    def said(self) -> str:
        """What is stored."""
        ((_, item),) = [entry for entry in self.store.items.items() if entry[0][1] == SETTLED_PK]
        return str(item["through"]["S"])


def test_the_next_worker_knows_how_far_the_shard_is_settled() -> None:
    """A batch that reaches beyond it is not, as a whole."""
    workers = Workers()
    first = workers.begin()
    assert not first.covers(_records(1))

    workers.done(first, 9, 10)
    second = workers.begin()

    assert second.covers(_records(9, 10))
    assert second.covers(_records(2))
    assert not second.covers(_records(10, 11))
    assert not second.covers([])


def test_what_was_said_of_another_mapping_does_not_count() -> None:
    """Its documents may be others. What the new one says takes its place."""
    workers = Workers()
    workers.done(workers.begin("theirs"), 10)

    ours = workers.begin("ours")
    assert not ours.covers(_records(1))
    workers.done(ours, 5)

    assert workers.begin("ours").covers(_records(5))
    assert not workers.begin("ours").covers(_records(6))
    assert not workers.begin("theirs").covers(_records(1))


def test_it_is_said_once_a_second_and_only_if_it_has_risen() -> None:
    """A write for every batch would cost as much as a document."""
    workers = Workers()
    settled = workers.begin()
    workers.done(settled, 10)
    writes = workers.store.applied_writes

    settled.note(_records(11))
    workers.store.drive(settled.save())
    assert (workers.said(), workers.store.applied_writes) == ("10", writes)
    workers.done(settled, 11)
    assert (workers.said(), workers.store.applied_writes) == ("11", writes + 1)
    workers.done(settled, 11)
    workers.done(settled, 3)
    assert (workers.said(), workers.store.applied_writes) == ("11", writes + 1)


def test_a_former_owner_that_is_behind_lowers_nothing() -> None:
    """Both are right; the greater number says more."""
    workers = Workers()
    former, owner = workers.begin(), workers.begin()
    workers.done(former, 10)
    workers.done(owner, 20)
    workers.done(owner, 21)  # the first one met the other's

    workers.done(former, 12)
    workers.done(former, 13)

    assert workers.said() == "21"


def test_everything_that_decides_on_documents_is_in_the_digest() -> None:
    """Fields, the generation, and how large a document may be."""
    plan = _plan(MAPPING)
    (aggregate,) = plan.mapping.aggregates
    risen = make_plan(Mapping((replace(aggregate, generation=aggregate.generation + 1),)))
    plans: list[Plan] = [plan, _plan(MAPPING.replace(", note", "")), risen, make_plan(plan.mapping, 1_000_000)]

    assert len({digest(one) for one in plans}) == len(plans)
    assert digest(plan) == digest(_plan(MAPPING))


def test_a_part_of_an_aggregated_record_says_nothing_of_its_other_parts() -> None:
    """Their batch comes later; taken for settled, a row whose write lost its reply would keep no documents."""
    workers = Workers()
    parts = [structs.replace(record, sub_sequence_number=at) for at, record in enumerate(_records(9, 9, 9))]
    first = workers.begin()
    first.note([*_records(8), *parts[:2]])
    workers.now += SAVE_SECONDS
    workers.store.drive(first.save())

    for settled in (first, workers.begin()):
        assert settled.covers(parts[:2])
        assert not settled.covers(parts[1:])
    workers.done(first, 10)
    assert workers.begin().covers(parts)
