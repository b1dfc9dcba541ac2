"""Settings that say how records are read: every problem has a line, nothing is missing at run time."""

from __future__ import annotations

from pathlib import Path

import pytest

from contract.mapping import Mapping, Policy, Sensitive
from worker.errors import SettingsError
from worker.operator_cli import operator_settings
from worker.parked.settings import DECODES
from worker.records.envelope import BeforeColumns
from worker.records.positions import Engine, Order
from worker.records.source import Source
from worker.source_settings import source

PLAIN = Mapping(())
DROPS = Mapping((), (Sensitive("s.t", "a", Policy.DROP),))
TOKENS = Mapping((), (Sensitive("s.t", "a", Policy.TOKEN),))
SECRET = "0123456789abcdef0123456789abcdef"


def _source(mapping: Mapping, **environ: str) -> Source:
    named = {f"NEARVIEW_{name}": value for name, value in environ.items()}
    return source(operator_settings(named, DECODES), mapping)


def _problems(mapping: Mapping, **environ: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        _source(mapping, **environ)
    assert SECRET not in str(caught.value)
    return caught.value.problems


def test_the_defaults_are_postgresql_without_anything_sensitive() -> None:
    assert _source(PLAIN) == Source()
    assert _source(DROPS).protection.policies == {"s.t": {"a": Policy.DROP}}


def test_engine_and_names_are_taken_over() -> None:
    found = _source(
        PLAIN,
        SOURCE_ENGINE="oracle",
        CHANGE_SEQUENCE_COLUMN="SEQ",
        BEFORE_IMAGE_FIELD="BI",
        BEFORE_COLUMN_PREFIX="B_",
        BEFORE_COLUMN_SUFFIX="_X",
    )

    assert (found.order, found.before_image_field) == (Order(Engine.ORACLE, "SEQ"), "BI")
    assert found.before_columns == found.protection.before_columns == BeforeColumns("B_", "_X")


@pytest.mark.parametrize("engine", ["oracle", "sqlserver"])
def test_an_engine_whose_positions_do_not_order_needs_the_change_sequence(engine: str) -> None:
    (line,) = _problems(PLAIN, SOURCE_ENGINE=engine)

    assert line.startswith("NEARVIEW_CHANGE_SEQUENCE_COLUMN is not set: ")
    assert "expression $AR_H_CHANGE_SEQ" in line


def test_a_token_key_comes_from_a_setting_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(SECRET + "\n")

    by_text = _source(TOKENS, TOKEN_KEY=SECRET, TOKEN_KEY_ID="k9").protection.key
    by_file = _source(TOKENS, TOKEN_KEY_FILE=str(file), TOKEN_KEY_ID="k9").protection.key

    assert by_text is not None
    assert by_text == by_file
    assert by_text.token("x").startswith("tok:k9:")


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        ({}, "NEARVIEW_TOKEN_KEY is not set, and the mappings have sensitive columns that become tokens"),
        ({"TOKEN_KEY": "short"}, "NEARVIEW_TOKEN_KEY is too short: at least 32 bytes, as text or base64"),
        ({"TOKEN_KEY_FILE": "/no/such/file"}, "NEARVIEW_TOKEN_KEY_FILE cannot be read: FileNotFoundError"),
        (
            {"TOKEN_KEY": SECRET, "TOKEN_KEY_FILE": "/x"},
            "NEARVIEW_TOKEN_KEY and NEARVIEW_TOKEN_KEY_FILE are both set: keep one of them",
        ),
        ({"TOKEN_KEY": SECRET, "TOKEN_KEY_ID": "a:b"}, "NEARVIEW_TOKEN_KEY_ID must be 1 to 16 letters, digits, - or _"),
    ],
)
def test_tokens_without_a_usable_key_are_refused_in_one_line(environ: dict[str, str], problem: str) -> None:
    assert _problems(TOKENS, **environ) == (problem,)
    assert _source(DROPS, **environ), "nobody needs a key then"


def test_all_problems_are_told_at_once() -> None:
    assert len(_problems(TOKENS, SOURCE_ENGINE="oracle")) == 2
