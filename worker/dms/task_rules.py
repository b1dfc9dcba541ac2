"""Rules of task settings."""

from __future__ import annotations

from typing import Final

from worker.dms.findings import Severity
from worker.dms.rules import Rule, differs, equals, less_than, more_than, number

_ERROR, _WARNING, _INFO = Severity.ERROR, Severity.WARNING, Severity.INFO

_POLICIES_THAT_LOSE: Final = "the record is skipped with no more than a line in the task's log: its change is lost"


def _policy(name: str, default: str) -> tuple[Rule, ...]:
    place = f"ErrorBehavior.{name}"
    return (
        Rule(
            place,
            default,
            equals("IGNORE_RECORD"),
            _ERROR,
            "the record is skipped: its change is lost",
            "SUSPEND_TABLE",
        ),
        Rule(place, default, equals("LOG_ERROR"), _WARNING, _POLICIES_THAT_LOSE, "SUSPEND_TABLE"),
    )


def _apply_policy(name: str, default: str) -> Rule:
    return Rule(
        f"ErrorBehavior.{name}",
        default,
        equals("IGNORE_RECORD", "LOG_ERROR"),
        _WARNING,
        "a record that the stream refuses is skipped: its change is lost",
        "SUSPEND_TABLE",
    )


_LOBS: Final = (
    Rule(
        "TargetMetadata.SupportLobs",
        True,
        equals(False),
        _ERROR,
        "text, JSON, XML, array and binary columns are left out of all records",
        "true",
    ),
    Rule(
        "TargetMetadata.FullLobMode",
        False,
        equals(True),
        _ERROR,
        "a Kinesis target has no full LOB mode",
        "false, and LimitedSizeLobMode to true",
    ),
    Rule(
        "TargetMetadata.LimitedSizeLobMode",
        True,
        equals(False),
        _WARNING,
        "the limited LOB mode is the only one of a Kinesis target",
        "true",
    ),
    Rule(
        "TargetMetadata.LobMaxSize",
        32,
        less_than(1024),
        _WARNING,
        "longer text, JSON, XML, array and binary values are cut, and a cut JSON text is no JSON (the size is in KB,"
        " two bytes for a character)",
        "1024",
    ),
    Rule(
        "TargetMetadata.LobMaxSize",
        32,
        more_than(1024),
        _ERROR,
        "Kinesis takes large objects of at most 1 MB (the size is in KB)",
        "1024",
    ),
)


def _threads(name: str, most: int) -> Rule:
    return Rule(
        f"TargetMetadata.{name}", 0, more_than(most), _ERROR, f"a Kinesis target takes at most {most}", str(most)
    )


_THREADS: Final = (
    *(_threads(name, 32) for name in ("ParallelLoadThreads", "ParallelApplyThreads")),
    *(_threads(name, 1000) for name in ("ParallelLoadBufferSize", "ParallelApplyBufferSize")),
    *(_threads(name, 512) for name in ("ParallelLoadQueuesPerThread", "ParallelApplyQueuesPerThread")),
    Rule(
        "TargetMetadata.ParallelLoadThreads",
        0,
        more_than(0),
        _INFO,
        "loaded rows arrive in any order: nearview does not rely on it, other readers of the stream may",
        "",
    ),
    Rule(
        "TargetMetadata.ParallelApplyThreads",
        0,
        more_than(0),
        _INFO,
        "changes of different keys change places and transactions mix: nearview orders by position, other readers of"
        " the stream may not",
        "",
    ),
    Rule(
        "TargetMetadata.BatchApplyEnabled",
        False,
        equals(True),
        _ERROR,
        "batches may lose changes on a Kinesis target",
        "false",
    ),
)

_LOAD: Final = (
    Rule(
        "FullLoadSettings.StopTaskCachedChangesApplied",
        False,
        equals(True),
        _WARNING,
        "the task stops after the load, and no change is sent until somebody resumes it",
        "false",
    ),
    Rule(
        "FullLoadSettings.StopTaskCachedChangesNotApplied",
        False,
        equals(True),
        _WARNING,
        "the task stops after the load, and no change is sent until somebody resumes it",
        "false",
    ),
    Rule("FullLoadSettings.MaxFullLoadSubTasks", 8, more_than(49), _ERROR, "DMS takes at most 49 tables at once", "49"),
    Rule(
        "FullLoadSettings.TargetTablePrepMode",
        "DO_NOTHING",
        differs("DROP_AND_CREATE"),
        _INFO,
        "the load of a table is not announced by drop-table, so that a reload is not seen in the stream",
        "DROP_AND_CREATE",
    ),
    Rule(
        "ControlTablesSettings.SuspendedTablesTableEnabled",
        False,
        differs(True),
        _INFO,
        "the stream does not say that DMS has suspended a table: watch the task's table statistics",
        "true",
    ),
)

_ERRORS: Final = (
    *_policy("DataErrorPolicy", "LOG_ERROR"),
    *_policy("DataTruncationErrorPolicy", "LOG_ERROR"),
    Rule(
        "ErrorBehavior.DataErrorEscalationPolicy",
        "SUSPEND_TABLE",
        differs("SUSPEND_TABLE", "STOP_TASK"),
        _WARNING,
        _POLICIES_THAT_LOSE,
        "SUSPEND_TABLE",
    ),
    Rule(
        "ErrorBehavior.TableErrorPolicy",
        "SUSPEND_TABLE",
        differs("SUSPEND_TABLE", "STOP_TASK"),
        _WARNING,
        "a table in error is not reported as such",
        "SUSPEND_TABLE",
    ),
    _apply_policy("ApplyErrorInsertPolicy", "LOG_ERROR"),
    _apply_policy("ApplyErrorUpdatePolicy", "LOG_ERROR"),
    _apply_policy("ApplyErrorDeletePolicy", "IGNORE_RECORD"),
    Rule(
        "ErrorBehavior.ApplyErrorEscalationPolicy",
        "LOG_ERROR",
        equals("LOG_ERROR"),
        _WARNING,
        "however many records the stream refuses, the task goes on without them",
        "SUSPEND_TABLE",
    ),
    Rule(
        "ErrorBehavior.RecoverableErrorCount",
        -1,
        lambda value: number(value) is not None and value >= 0,
        _WARNING,
        "after so many interruptions the task stops, and the source may forget its log before anybody resumes it",
        "-1",
    ),
    Rule(
        "ErrorBehavior.FailOnNoTablesCaptured",
        True,
        equals(False),
        _WARNING,
        "a task whose rules match no table runs and sends nothing",
        "true",
    ),
    Rule(
        "ErrorBehavior.ApplyErrorFailOnTruncationDdl",
        False,
        differs(True),
        _INFO,
        "TRUNCATE is not sent to the stream: documents of truncated rows stay until the table is reloaded",
        "true, if the source engine captures TRUNCATE (PostgreSQL and SQL Server do not)",
    ),
)

_REST: Final = (
    Rule(
        "ValidationSettings.EnableValidation",
        False,
        equals(True),
        _WARNING,
        "DMS cannot compare a source with a Kinesis stream: use nearview verify",
        "false",
    ),
    Rule("ValidationSettings.ValidationOnly", False, equals(True), _ERROR, "no data is sent at all", "false"),
    Rule(
        "Logging.EnableLogging",
        None,
        equals(False),
        _WARNING,
        "cut values and skipped records are reported in the task's log only",
        "true",
    ),
    Rule(
        "LoopbackPreventionSettings.EnableLoopbackPrevention",
        False,
        equals(True),
        _WARNING,
        "changes that come from another task are withheld",
        "false",
    ),
    Rule(
        "CharacterSetSettings.CharacterReplacements",
        None,
        bool,
        _WARNING,
        "characters are replaced: texts differ from the source's",
        "an empty list",
    ),
)

_BEFORE_IMAGE: Final = (
    Rule(
        "BeforeImageSettings.ColumnFilter",
        "pk-only",
        differs("pk-only"),
        _INFO,
        "nearview needs the old key only: more makes records larger",
        "pk-only",
    ),
)

TASK: Final = (*_LOBS, *_THREADS, *_LOAD, *_ERRORS, *_REST, *_BEFORE_IMAGE)
