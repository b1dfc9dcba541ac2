"""Settings of the command function."""

from __future__ import annotations

import pytest

from api_lambdas.commands.settings import command_settings
from api_lambdas.shared.settings import SettingsError

SECRET = "s" * 32


def files(existing: str) -> dict[str, str]:
    return {f"{name}_FILE": existing for name in ("ACCESS", "COMMANDS")}


def test_command_settings_are_read(existing: str) -> None:
    """The monolith's URL loses its trailing slash; the time-out has a default."""
    settings = command_settings(
        {
            "COMMANDS_TABLE": "t",
            **files(existing),
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
        ("CURSOR_SECRET", "hunter2"),
    ],
)
def test_wrong_command_settings_are_refused(existing: str, name: str, text: str) -> None:
    """One line names the variable and what is wanted."""
    environment = {
        "COMMANDS_TABLE": "t",
        **files(existing),
        "MONOLITH_URL": "http://host",
        "AWS_REGION": "eu-west-1",
        name: text,
    }

    with pytest.raises(SettingsError) as caught:
        command_settings(environment)

    (problem,) = caught.value.problems
    assert problem.startswith(f"{name} must be ")


def test_commands_give_tokens_only_where_there_is_a_secret(existing: str) -> None:
    environment = {"COMMANDS_TABLE": "t", **files(existing), "MONOLITH_URL": "http://host", "AWS_REGION": "eu-west-1"}

    assert command_settings(environment).cursor_secret is None
    assert command_settings({**environment, "CURSOR_SECRET": SECRET}).cursor_secret == SECRET.encode()
