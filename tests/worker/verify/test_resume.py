"""Runs in chunks, cut off and gone on with."""

import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from contract.mapping import Mapping, Policy, Sensitive
from tests.worker.verify.business import EXPECTED, MAPPING, ORDER, PERSON, Target
from worker.pace import Pace
from worker.verify.errors import VerifyError
from worker.verify.options import Options, Settle
from worker.verify.report import Report
from worker.verify.run import verify
from worker.verify.source import open_source
from worker.verify.spool import Spool
from worker.verify.target import Documents


class CutOffError(Exception):
    """As if the process were killed."""


def run(url: str, target: Target, state: Path | None, sleep: Callable[[float], None] = lambda _: None) -> Report:
    """A run that reads two documents at a time and sleeps after each two."""
    options = Options(Settle(0, sleep=sleep), Pace(2, clock=lambda: 0.0, sleep=sleep), state)
    with open_source(url) as source:
        documents = Documents(target.table, target.client)
        return verify(source, documents, MAPPING, limit=10, progress=target.progress.append, options=options)


def cut_off_at(step: int) -> Callable[[float], None]:
    """Ends a run at a certain one of its sleeps."""
    slept = 0

    def sleep(_: float) -> None:
        nonlocal slept
        slept += 1
        if slept == step:
            raise CutOffError

    return sleep


def planted(target: Target) -> None:
    """One of each kind of difference."""
    target.put_all()
    target.put(ORDER, "9", {**EXPECTED["order", "9"], "total": 1})
    target.put(ORDER, "8", None, _deleted=True)
    target.put(PERSON, "70", EXPECTED["person", "1"])
    target.put(PERSON, "2", EXPECTED["person", "2"], _parked="no number")


def test_chunks_find_what_a_whole_run_finds(business: str, target: Target) -> None:
    planted(target)

    report = run(business, target, None)

    assert report.summary() == "verified 7 documents: 3 differences, 1 parked"
    assert report.aggregates == target.verify(business).aggregates


def test_a_run_cut_off_anywhere_goes_on_to_the_same_end(business: str, target: Target, tmp_path: Path) -> None:
    planted(target)
    whole = run(business, target, None)
    state = tmp_path / "state"

    for step in range(1, 40):
        with suppress(CutOffError):
            report = run(business, target, state, cut_off_at(step))
            assert step > 5
            break
        assert stat.S_IMODE(state.stat().st_mode) == 0o600
        again = run(business, target, state)
        assert (again.aggregates, again.first) == (whole.aggregates, whole.first)
        assert not state.exists()

    assert report.aggregates == whole.aggregates


def test_a_run_cut_off_again_and_again_comes_to_its_end(business: str, target: Target, tmp_path: Path) -> None:
    """Each time only a step further."""
    planted(target)
    state = tmp_path / "state"

    for _ in range(8):
        with suppress(CutOffError):
            run(business, target, state, cut_off_at(2))
    report = run(business, target, state)

    assert report.summary() == "verified 7 documents: 3 differences, 1 parked"
    assert any(line == f"going on with {state}: 7 documents compared before" for line in target.progress)


def test_a_state_of_another_run_is_refused(business: str, target: Target, tmp_path: Path, new_database: Any) -> None:
    state = tmp_path / "state"
    with suppress(CutOffError):
        target.put_all()
        run(business, target, state, cut_off_at(1))

    with pytest.raises(VerifyError, match="belongs to a run with another source, documents table or mapping"):
        run(new_database("verify_business"), target, state)


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda path: path.write_text("x" * 1000), "is no state of nearview verify"),
        (lambda path: path.mkdir(), "Is a directory"),
    ],
)
def test_a_file_that_is_no_state_is_one_line(
    business: str, target: Target, tmp_path: Path, make: Callable[[Path], Any], line: str
) -> None:
    state = tmp_path / "state"
    make(state)

    with pytest.raises(VerifyError, match=f"--state {state}:? {line}"):
        run(business, target, state)


def test_two_runs_do_not_share_a_state(business: str, target: Target, tmp_path: Path) -> None:
    spool = Spool(tmp_path / "state")

    with pytest.raises(VerifyError, match="another run uses it"):
        run(business, target, tmp_path / "state")
    spool.close()


def test_values_of_tokened_keys_are_not_kept(business: str, target: Target, tmp_path: Path) -> None:
    mapping = Mapping((PERSON,), (Sensitive("biz.people", "id", Policy.TOKEN),))
    options = Options(state=tmp_path / "state", tokens=lambda text: text)

    with open_source(business) as source, pytest.raises(VerifyError, match="key of person, which is tokened"):
        verify(source, Documents(target.table, target.client), mapping, limit=1, progress=print, options=options)

    assert not (tmp_path / "state").exists()
