"""The daemon's properties: keys that KCL knows, values that it takes."""

import zipfile
from dataclasses import replace

import pytest

from tests.worker.test_settings import GOOD
from worker.settings import Settings, parse
from worker.supervisor.jars import jar_folder
from worker.supervisor.properties import properties, render


@pytest.fixture
def settings() -> Settings:
    """Settings for AWS."""
    return parse(GOOD)


def rendered(settings: Settings) -> dict[str, str]:
    """The properties for a worker."""
    return properties(settings, "w1.abc", "python -u -m worker.child")


def test_every_key_is_a_field_that_kcl_knows(settings: Settings) -> None:
    folder = jar_folder()
    assert folder
    known = b""
    for name in ("amazon-kinesis-client-multilang-3.1.3.jar", "amazon-kinesis-client-3.1.3.jar"):
        with zipfile.ZipFile(folder / name) as jar:
            known += b"".join(jar.read(entry) for entry in jar.namelist() if "Config" in entry)
    for key in rendered(replace(settings, endpoint_url="http://x")):
        field = key[0].lower() + key[1:]
        assert field.encode() in known or key.encode() in known, key


def test_what_kcl_would_default_badly_is_always_set(settings: Settings) -> None:
    values = rendered(settings)
    assert values["retrievalMode"] == "POLLING"
    assert values["shutdownGraceMillis"] == "20000"
    assert values["callProcessRecordsEvenForEmptyRecordList"] == "true"
    assert values["metricsLevel"] == "NONE"
    assert values["initialPositionInStream"] == "TRIM_HORIZON"
    assert values["workerId"] == "w1.abc"


def test_no_value_is_one_that_kcl_ignores(settings: Settings) -> None:
    assert not {"0", "false", ""} & set(rendered(settings).values())


def test_endpoints_are_named_for_a_stand_in_only(settings: Settings) -> None:
    assert not [key for key in rendered(settings) if "Endpoint" in key]
    local = rendered(replace(settings, endpoint_url="http://127.0.0.1:4566"))
    assert local["kinesisEndpoint"] == local["dynamoDBEndpoint"] == "http://127.0.0.1:4566"


def test_intervals_follow_from_few_settings(settings: Settings) -> None:
    fast = rendered(
        replace(settings, failover_millis=2000, lease_assignment_millis=1000, rebalance_millis=3000, poll_millis=250)
    )
    assert fast["failoverTimeMillis"] == "2000"
    assert fast["leaseAssignmentIntervalMillis"] == "1000"
    assert fast["workerMetricsReporterFreqInMillis"] == "666"
    assert fast["inMemoryWorkerMetricsCaptureFrequencyMillis"] == "250"
    assert fast["varianceBalancingFrequency"] == "3"
    assert fast["parentShardPollIntervalMillis"] == "500"


@pytest.mark.parametrize("failover_millis", [1000, 2000, 3000, 10_000, 300_000])
@pytest.mark.parametrize("assignment_millis", [500, 2000, 300_000])
def test_a_worker_is_forgotten_before_its_leases_expire_and_captures_for_each_report(
    settings: Settings, failover_millis: int, assignment_millis: int
) -> None:
    values = rendered(replace(settings, failover_millis=failover_millis, lease_assignment_millis=assignment_millis))
    report = int(values["workerMetricsReporterFreqInMillis"])
    assert 2 * report <= failover_millis
    assert int(values["inMemoryWorkerMetricsCaptureFrequencyMillis"]) <= report // 2


def test_values_are_escaped_as_java_reads_them() -> None:
    assert render({"a": "x\\y\nz", "b": "é€😀"}) == "a = x\\\\y\\nz\nb = \\u00e9\\u20ac\\ud83d\\ude00\n"
