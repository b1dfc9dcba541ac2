"""Settings of what the functions do about regions."""

from __future__ import annotations

import json

import pytest

from api_lambdas.regions.settings import AlarmSettings, Place, RegionSettings, alarm_settings, region_settings
from api_lambdas.shared.settings import Access, SettingsError
from api_lambdas.shared.sigv4 import Credentials

CREDENTIALS = Credentials("id", "secret")
HERE = Access("eu-west-1", "https://dynamodb.eu-west-1.amazonaws.com", CREDENTIALS)
PLACES = {"eu-west-1": {"url": "https://api.example/", "place": "Ireland"}, "us-east-1": {"url": "https://b"}}
ALARMS = {
    "REGIONS_TABLE": "t",
    "ALARM_PREFIX": "shop-prod-api-",
    "REGIONS": json.dumps(PLACES),
    "AWS_REGION": "us-east-1",
}


def test_without_a_table_there_is_one_region_and_nothing_else_matters() -> None:
    assert region_settings({"PEER_REGIONS": "nonsense"}, HERE) is None


def test_peers_are_asked_at_their_own_endpoints() -> None:
    settings = region_settings({"REGIONS_TABLE": "t", "PEER_REGIONS": "us-east-1, cn-north-1=http://127.0.0.1:1"}, HERE)

    assert settings == RegionSettings(
        table="t",
        peers={
            "us-east-1": Access("us-east-1", "https://dynamodb.us-east-1.amazonaws.com", CREDENTIALS),
            "cn-north-1": Access("cn-north-1", "http://127.0.0.1:1", CREDENTIALS),
        },
        cache_seconds=5,
        stale_seconds=60,
        fence_seconds=40,
        breaker_failures=5,
        breaker_open_seconds=30,
    )


def test_a_stand_in_stands_in_for_all_regions() -> None:
    stand_in = Access("eu-west-1", "http://127.0.0.1:4566", CREDENTIALS)

    settings = region_settings({"REGIONS_TABLE": "t", "PEER_REGIONS": "us-east-1"}, stand_in)

    assert settings is not None
    assert settings.peers["us-east-1"].endpoint == "http://127.0.0.1:4566"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PEER_REGIONS", "eu-west-1"),
        ("PEER_REGIONS", "us-east-1,"),
        ("PEER_REGIONS", "virginia"),
        ("PEER_REGIONS", "us-east-1=ftp://x"),
        ("REGIONS_CACHE_SECONDS", "-1"),
        ("REGIONS_STALE_SECONDS", "nan"),
        ("FENCE_SECONDS", "0"),
        ("BREAKER_FAILURES", "0"),
        ("BREAKER_OPEN_SECONDS", "soon"),
    ],
)
def test_what_is_wrong_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as raised:
        region_settings({"REGIONS_TABLE": "t", name: value}, HERE)

    (problem,) = raised.value.problems
    assert problem.startswith(f"{name} must be")


def test_the_alarm_function_writes_where_it_is_unless_told_otherwise() -> None:
    settings = alarm_settings(ALARMS)

    assert (settings.access.region, settings.table, settings.alarm_prefix) == ("us-east-1", "t", "shop-prod-api-")
    assert settings.regions == {
        "eu-west-1": Place("https://api.example", "Ireland"),
        "us-east-1": Place("https://b", ""),
    }
    assert alarm_settings({**ALARMS, "REGIONS_TABLE_REGION": "eu-west-1"}).access.region == "eu-west-1"
    assert isinstance(settings, AlarmSettings)


@pytest.mark.parametrize(
    "value", ["", "{}", "[]", "x", '{"eu-west-1": {}}', '{"here": {"url": "https://b"}}', "[" * 9999]
)
def test_regions_that_cannot_be_read_are_named(value: str) -> None:
    with pytest.raises(SettingsError) as raised:
        alarm_settings({**ALARMS, "REGIONS": value})

    assert [problem.split(" ")[0] for problem in raised.value.problems] == ["REGIONS"]
