"""Rules of source endpoints, engine by engine, and what must be looked at in the source itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from worker.dms.documents import Settings, Source
from worker.dms.findings import Finding, Severity
from worker.dms.rules import Rule, differs, equals

_ERROR, _WARNING, _INFO = Severity.ERROR, Severity.WARNING, Severity.INFO

_CUT: Final = Rule(
    "FailTasksOnLobTruncation",
    False,
    differs(True),
    _WARNING,
    "a value longer than LobMaxSize is cut and stored as if it were whole",
    "true",
)
_TRIMMED: Final = Rule(
    "TrimSpaceInChar",
    True,
    differs(False),
    _INFO,
    "trailing spaces of CHAR columns are cut: a key or join between CHAR and VARCHAR columns may depend on it",
    "",
)

RULES: Final[Mapping[str, tuple[Rule, ...]]] = {
    "postgresql": (
        Rule(
            "MapBooleanAsBoolean",
            False,
            differs(True),
            _WARNING,
            'booleans arrive as the texts "true" and "false"; the setting must be true on both endpoints where the'
            " target has it",
            "true",
        ),
        Rule(
            "PluginName",
            "",
            equals("test_decoding"),
            _WARNING,
            "test_decoding makes DMS parse text that was made for people",
            "pgoutput",
        ),
        Rule(
            "PluginName",
            "",
            differs("pgoutput", "test_decoding"),
            _INFO,
            "DMS chooses the plugin: pglogical does not send old rows of REPLICA IDENTITY FULL",
            "pgoutput",
        ),
        Rule(
            "HeartbeatEnable",
            False,
            differs(True),
            _WARNING,
            "the slot of a quiet database keeps its log until the source's disk is full",
            "true",
        ),
        Rule(
            "SlotName",
            "",
            equals(""),
            _INFO,
            "DMS makes a slot and drops it with the task: a task made anew must load again",
            "an existing slot, to keep changes when the task is made anew",
        ),
        Rule(
            "CaptureDdls",
            True,
            equals(False),
            _INFO,
            "changed table definitions are not announced: they are noticed only in the rows",
            "true",
        ),
        _CUT,
        _TRIMMED,
    ),
    "mysql": (
        Rule(
            "ServerTimezone",
            "",
            equals(""),
            _INFO,
            "TIMESTAMP columns are sent as UTC and DATETIME columns as they are, both with a Z: a server in another"
            " time zone needs this",
            "the server's time zone",
        ),
    ),
    "oracle": (
        Rule(
            "ConvertTimestampWithZoneToUTC",
            False,
            differs(True),
            _WARNING,
            "TIMESTAMP WITH TIME ZONE columns arrive as Oracle's own text",
            "true",
        ),
        Rule(
            "NumberDatatypeScale",
            None,
            equals(None),
            _INFO,
            "NUMBER columns without precision are cut to 10 decimals",
            "the decimals that the columns need, up to 38",
        ),
        _CUT,
        _TRIMMED,
    ),
    "sqlserver": (_TRIMMED,),
}

_BEYOND_SETTINGS: Final[Mapping[str, str]] = {
    "mysql": "look at the server: binlog_format=ROW, binlog_row_image=FULL (else updates lack columns), no compressed"
    " binary log, and a retention that outlives the longest stop of the task",
    "oracle": "only keys are logged unless every table has supplemental logging of all columns, and updates then lack"
    " columns: ALTER TABLE ... ADD SUPPLEMENTAL LOG DATA (ALL) COLUMNS. AddSupplementalLogging logs keys only",
    "sqlserver": "look at the database: recovery model FULL, and every table with a primary key in MS-Replication or"
    " with MS-CDC (else updates are not captured)",
}


def check_source(source: Source, settings: Settings) -> Iterator[Finding]:
    """Findings of the source endpoint."""
    part, engine = source.part, source.engine
    if engine not in RULES:
        yield part.finding(
            _ERROR, "", f"nobody has tried the source engine {engine}: known are {', '.join(sorted(RULES))}"
        )
        return
    for rule in RULES[engine]:
        yield from rule.check(part)
    if engine in _BEYOND_SETTINGS:
        severity = _WARNING if engine == "oracle" else _INFO
        yield part.finding(
            severity, "", _BEYOND_SETTINGS[engine], f"set NEARVIEW_SOURCE_ENGINE of the worker to {engine} as well"
        )
    consistent = settings.task is None or settings.task.value("ErrorBehavior", "FailOnTransactionConsistencyBreached")
    if engine == "oracle" and settings.task is not None and not consistent:
        yield settings.task.finding(
            _ERROR,
            "ErrorBehavior.FailOnTransactionConsistencyBreached",
            "transactions that are open for long when the task starts are left out",
            "set FailOnTransactionConsistencyBreached to true",
        )
