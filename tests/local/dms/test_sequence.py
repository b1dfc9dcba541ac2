"""`$AR_H_CHANGE_SEQ`: 35 digits that only rise."""

from datetime import UTC, datetime, timedelta

from local.dms.sequence import ChangeSequence

COMMITTED = datetime(2024, 5, 28, 19, 56, 24, 227529, tzinfo=UTC)


def test_a_value_is_the_commit_time_and_a_counter() -> None:
    """As in a published file: 20240528195624220000000000000000073."""
    sequence = ChangeSequence(72, "")
    sequence.begin(COMMITTED)
    assert sequence.next() == "20240528195624220000000000000000073"


def test_values_rise_when_commit_times_fall() -> None:
    sequence = ChangeSequence(0, "")
    values = []
    for step in (0, 2, 1, 0, 3):
        sequence.begin(COMMITTED + timedelta(seconds=step))
        values += [sequence.next(), sequence.next()]
    assert values == sorted(set(values))
    assert {len(value) for value in values} == {35}
