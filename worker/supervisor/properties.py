"""The daemon's configuration, rendered from settings.

KCL ignores keys it does not know and zero values without a word, so the keys are written here once, and a test looks
each of them up in KCL's own classes.
"""

from worker.settings import Settings

# the lease rows are there before the daemon starts, so a sync at its start would only cost time
_SHARD_SYNC_MILLIS = 1000


def properties(settings: Settings, worker_id: str, child_command: str) -> dict[str, str]:
    """Keys and values of the daemon's properties file."""
    assignment = settings.lease_assignment_millis
    report = report_millis(settings)
    capture = min(1000, report // 2, max(250, assignment // 4))
    values: dict[str, str | int] = {
        "executableName": child_command,
        "applicationName": settings.application,
        "streamName": settings.stream,
        "workerId": worker_id,
        "regionName": settings.region,
        "AwsCredentialsProvider": "DefaultCredentialsProvider",
        "initialPositionInStream": settings.initial_position,
        # anything but POLLING would turn to enhanced fan-out, which is billed by the hour and shard
        "retrievalMode": "POLLING",
        "maxRecords": settings.max_records,
        "idleTimeBetweenReadsInMillis": settings.poll_millis,
        # an empty delivery is the heartbeat of an idle shard
        "callProcessRecordsEvenForEmptyRecordList": "true",
        # the default of 0 makes every stop a crash: no last checkpoints, the leader lock stays
        "shutdownGraceMillis": settings.shutdown_grace_seconds * 1000,
        "failoverTimeMillis": settings.failover_millis,
        "leaseAssignmentIntervalMillis": assignment,
        "varianceBalancingFrequency": max(1, settings.rebalance_millis // assignment),
        "workerMetricsReporterFreqInMillis": report,
        # a worker gets no lease before its first report, which comes after the second capture
        "inMemoryWorkerMetricsCaptureFrequencyMillis": capture,
        "parentShardPollIntervalMillis": min(10_000, settings.failover_millis // 4),
        "shardSyncIntervalMillis": _SHARD_SYNC_MILLIS,
        "skipShardSyncAtWorkerInitializationIfLeasesExist": "true",
        "metricsLevel": "NONE",
    }
    if settings.endpoint_url:
        values["kinesisEndpoint"] = settings.endpoint_url
        values["dynamoDBEndpoint"] = settings.endpoint_url
    return {key: str(value) for key, value in values.items()}


def report_millis(settings: Settings) -> int:
    """How often the daemon reports its use of the processor.

    Who misses two reports gets no lease: they are rare enough for a slow machine. But a dead worker looks idle: it must
    be forgotten by the time its leases expire, or it is given more of them.
    """
    return min(30_000, max(500, settings.failover_millis // 3))


def render(values: dict[str, str]) -> str:
    """The text of a .properties file."""
    return "".join(f"{key} = {_escape(value)}\n" for key, value in values.items())


def _escape(value: str) -> str:
    """Java reads the file as ISO 8859-1 and takes backslashes as escapes."""
    escaped = value.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    encoded = escaped.encode("utf-16-be")
    units = (int.from_bytes(encoded[at : at + 2], "big") for at in range(0, len(encoded), 2))
    return "".join(chr(unit) if unit < 127 else f"\\u{unit:04x}" for unit in units)
