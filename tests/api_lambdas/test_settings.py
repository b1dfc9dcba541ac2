"""Settings of the Lambdas."""

from __future__ import annotations

from pathlib import Path

import pytest

from api_lambdas.settings import SettingsError, command_settings, query_settings

SECRET = "s" * 32


@pytest.fixture
def existing(tmp_path: Path) -> str:
    path = tmp_path / "file.json"
    path.write_text("[]")
    return str(path)


def test_query_settings_are_read(existing: str) -> None:
    """All values arrive typed."""
    settings = query_settings(
        {"DOCUMENTS_TABLE": "t", "MAPPING_FILE": existing, "CURSOR_SECRET": SECRET, "AWS_REGION": "eu-west-1"}
    )

    assert ("t", Path(existing), SECRET.encode(), "eu-west-1", "info") == (
        settings.documents_table,
        settings.mapping_file,
        settings.cursor_secret,
        settings.region,
        settings.log_level,
    )


def test_command_settings_are_read(existing: str) -> None:
    """The monolith's URL loses its trailing slash; the time-out has a default."""
    settings = command_settings(
        {
            "COMMANDS_TABLE": "t",
            "COMMANDS_FILE": existing,
            "MONOLITH_URL": "http://127.0.0.1:8000/base/",
            "AWS_REGION": "eu-west-1",
            "LOG_LEVEL": "DEBUG",
        }
    )

    assert (
        settings.monolith_url,
        settings.dispatch_timeout_seconds,
        settings.log_level,
    ) == ("http://127.0.0.1:8000/base", 10.0, "debug")


def test_query_settings_report_all_problems() -> None:
    """Every variable at fault is named in one run."""
    with pytest.raises(SettingsError) as caught:
        query_settings({"MAPPING_FILE": "/nowhere", "LOG_LEVEL": "loud"})

    names = [problem.split()[0] for problem in caught.value.problems]
    assert names == ["DOCUMENTS_TABLE", "MAPPING_FILE", "CURSOR_SECRET", "AWS_REGION", "LOG_LEVEL"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("MONOLITH_URL", "ftp://host"),
        ("MONOLITH_URL", "http://"),
        ("MONOLITH_URL", "http://host:port"),
        ("MONOLITH_URL", "http://[::1"),
        ("MONOLITH_URL", "http://host/?q=1"),
        ("DISPATCH_TIMEOUT_SECONDS", "0"),
        ("DISPATCH_TIMEOUT_SECONDS", "nan"),
        ("DISPATCH_TIMEOUT_SECONDS", "26"),
        ("DISPATCH_TIMEOUT_SECONDS", "soon"),
    ],
)
def test_wrong_command_settings_are_refused(existing: str, name: str, text: str) -> None:
    """One line names the variable and what is wanted."""
    environment = {
        "COMMANDS_TABLE": "t",
        "COMMANDS_FILE": existing,
        "MONOLITH_URL": "http://host",
        "AWS_REGION": "eu-west-1",
        name: text,
    }

    with pytest.raises(SettingsError) as caught:
        command_settings(environment)

    (problem,) = caught.value.problems
    assert problem.startswith(f"{name} must be ")


def test_a_short_secret_is_refused_without_being_shown(existing: str) -> None:
    """The problem's text is logged, so it must not hold the secret."""
    with pytest.raises(SettingsError) as caught:
        query_settings(
            {"DOCUMENTS_TABLE": "t", "MAPPING_FILE": existing, "CURSOR_SECRET": "hunter2", "AWS_REGION": "r"}
        )

    assert str(caught.value) == "CURSOR_SECRET must be at least 32 characters long"
