"""A record's incarnation follows from the time at which DMS built it."""

from worker.records.incarnations import Incarnations


def test_without_a_list_there_is_one_incarnation() -> None:
    assert Incarnations().of(0) == Incarnations().of(2**60) == 1


def test_each_holds_from_its_own_moment_to_the_next() -> None:
    incarnations = Incarnations((100, 200))

    assert [incarnations.of(micros) for micros in (0, 99, 100, 199, 200, 10**18)] == [1, 1, 2, 2, 3, 3]
