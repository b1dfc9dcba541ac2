"""Settings of the query function."""

from __future__ import annotations

from pathlib import Path

import pytest

from api_lambdas.queries.settings import QuerySettings, query_settings
from api_lambdas.shared.settings import SettingsError

SECRET = "s" * 32


def files(existing: str) -> dict[str, str]:
    return {f"{name}_FILE": existing for name in ("MAPPING", "OPENAPI", "ACCESS")}


def test_query_settings_are_read(existing: str) -> None:
    """All values arrive typed."""
    settings = query_settings(
        {"DOCUMENTS_TABLE": "t", **files(existing), "CURSOR_SECRET": SECRET, "AWS_REGION": "eu-west-1"}
    )

    assert ("t", Path(existing), SECRET.encode(), "eu-west-1", "info") == (
        settings.documents_table,
        settings.mapping_file,
        settings.cursor_secret,
        settings.region,
        settings.log_level,
    )


def test_query_settings_report_all_problems() -> None:
    """Every variable at fault is named in one run."""
    with pytest.raises(SettingsError) as caught:
        query_settings({"MAPPING_FILE": "/nowhere", "LOG_LEVEL": "loud"})

    names = [problem.split()[0] for problem in caught.value.problems]
    assert names == [
        *("DOCUMENTS_TABLE", "MAPPING_FILE", "OPENAPI_FILE", "ACCESS_FILE"),
        *("CURSOR_SECRET", "AWS_REGION", "LOG_LEVEL"),
    ]


def test_a_short_secret_is_refused_without_being_shown(existing: str) -> None:
    """The problem's text is logged, so it must not hold the secret."""
    with pytest.raises(SettingsError) as caught:
        query_settings({"DOCUMENTS_TABLE": "t", **files(existing), "CURSOR_SECRET": "hunter2", "AWS_REGION": "r"})

    assert str(caught.value) == "CURSOR_SECRET must be at least 32 characters long"


def _read(existing: str, **environment: str) -> QuerySettings:
    return query_settings(
        {
            "DOCUMENTS_TABLE": "t",
            **files(existing),
            "CURSOR_SECRET": SECRET,
            "AWS_REGION": "eu-west-1",
            **environment,
        }
    )


@pytest.mark.parametrize("text", ["-0.1", "5.1", "nan", "inf", "long"])
def test_a_read_waits_no_longer_than_its_function_has_time(existing: str, text: str) -> None:
    assert _read(existing).consistency_wait_seconds == 1.5
    assert _read(existing, CONSISTENCY_WAIT_SECONDS="0").consistency_wait_seconds == 0
    with pytest.raises(SettingsError) as caught:
        _read(existing, CONSISTENCY_WAIT_SECONDS=text)
    assert caught.value.problems == ("CONSISTENCY_WAIT_SECONDS must be a number of seconds from 0 to 5",)
