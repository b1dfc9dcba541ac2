"""Reads a task file: DMS's own settings documents, checked, as one frozen value."""

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from local.dms.dialects import DIALECTS
from local.dms.errors import SettingsError
from local.dms.table_mappings import TableMappings, read_table_mappings

DEFAULT_TASK = Path(__file__).with_name("default_task.json")


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings that change what the task does; a name that the file leaves out has DMS's own default."""

    tabbed: bool
    include_transaction_details: bool
    include_partition_value: bool
    partition_include_schema_table: bool
    include_table_alter_operations: bool
    include_control_details: bool
    include_null_and_empty: bool
    no_hex_prefix: bool
    use_large_integer_value: bool
    map_boolean_as_boolean: bool
    trim_space_in_char: bool
    slot_name: str
    support_lobs: bool
    lob_max_kb: int
    parallel_load_threads: int
    parallel_apply_threads: int
    parallel_load_tables: int
    target_table_prep_mode: str
    status_table: bool
    history_table: bool
    suspended_tables_table: bool
    full_load_exception_table: bool
    before_image: bool
    before_image_field: str
    before_image_filter: str
    lossless_numerics: bool
    unchanged_as_null: bool
    send_large_keys: bool
    put_records_failure_rate: float
    lost_reply_rate: float
    interleave_keys: bool
    source_shape: str
    shuffle_members: bool
    partial_updates: bool
    unlogged_of_deleted: str
    timestamp_digits: str
    boolean_as_number: bool
    load_beside_changes: bool
    load_delay_seconds: float
    load_hold_seconds: float
    shuffle_load: bool
    replay_transactions: int
    new_sequence_on_replay: bool
    table_mappings: TableMappings


@dataclass(frozen=True, slots=True)
class _Setting:
    """One documented name: what it may hold and, unless it has no effect here, the attribute it sets."""

    default: Any
    attribute: str = ""
    choices: tuple[str, ...] = ()
    greatest: float | None = None

    def problem(self, value: object) -> str | None:
        if self.choices:
            return None if value in self.choices else f"must be one of {', '.join(self.choices)}"
        if isinstance(self.default, bool):
            return None if isinstance(value, bool) else "must be true or false"
        if isinstance(self.default, int | float):
            return self._number_problem(value)
        return None if isinstance(value, str) else "must be a text"

    def _number_problem(self, value: object) -> str | None:
        kinds = int if isinstance(self.default, int) else (int, float)
        if not isinstance(value, kinds) or isinstance(value, bool) or value < 0:
            return "must be a number that is not negative"
        if self.greatest is not None and value > self.greatest:
            return f"must be at most {self.greatest}"
        return None


_ANY = _Setting(default=None)  # a documented name without effect here
_Group = Mapping[str, _Setting]


def _without_effect(names: str) -> dict[str, _Setting]:
    return dict.fromkeys(names.split(), _ANY)


_KINESIS: _Group = {
    "MessageFormat": _Setting("json", "message_format", ("json", "json-unformatted")),
    "IncludeTransactionDetails": _Setting(default=False, attribute="include_transaction_details"),
    "IncludePartitionValue": _Setting(default=False, attribute="include_partition_value"),
    "PartitionIncludeSchemaTable": _Setting(default=False, attribute="partition_include_schema_table"),
    "IncludeTableAlterOperations": _Setting(default=False, attribute="include_table_alter_operations"),
    "IncludeControlDetails": _Setting(default=False, attribute="include_control_details"),
    "IncludeNullAndEmpty": _Setting(default=False, attribute="include_null_and_empty"),
    "NoHexPrefix": _Setting(default=False, attribute="no_hex_prefix"),
    "UseLargeIntegerValue": _Setting(default=False, attribute="use_large_integer_value"),
    **_without_effect("StreamArn ServiceAccessRoleArn"),
}
_POSTGRESQL: _Group = {
    "MapBooleanAsBoolean": _Setting(default=False, attribute="map_boolean_as_boolean"),
    "TrimSpaceInChar": _Setting(default=True, attribute="trim_space_in_char"),
    "SlotName": _Setting("", "slot_name"),
    **_without_effect(
        "AfterConnectScript CaptureDdls MaxFileSize DatabaseName DdlArtifactsSchema ExecuteTimeout "
        "FailTasksOnLobTruncation HeartbeatEnable HeartbeatSchema HeartbeatFrequency Password Port ServerName "
        "Username PluginName SecretsManagerAccessRoleArn SecretsManagerSecretId MapJsonbAsClob "
        "MapLongVarcharAs DatabaseMode BabelfishDatabaseName DisableUnicodeSourceFilter ServiceAccessRoleArn "
        "AuthenticationMethod"
    ),
}
_TARGET_METADATA: _Group = {
    "SupportLobs": _Setting(default=True, attribute="support_lobs"),
    "LobMaxSize": _Setting(32, "lob_max_kb", greatest=1024),
    "ParallelLoadThreads": _Setting(0, "parallel_load_threads", greatest=32),
    "ParallelApplyThreads": _Setting(0, "parallel_apply_threads", greatest=32),
    **_without_effect(
        "TargetSchema FullLobMode LobChunkSize LimitedSizeLobMode InlineLobMaxSize LoadMaxFileSize "
        "ParallelLoadBufferSize ParallelLoadQueuesPerThread ParallelApplyBufferSize "
        "ParallelApplyQueuesPerThread BatchApplyEnabled TaskRecoveryTableEnabled"
    ),
}
_PREP_MODES = ("DO_NOTHING", "DROP_AND_CREATE", "TRUNCATE_BEFORE_LOAD")
_FULL_LOAD: _Group = {
    "TargetTablePrepMode": _Setting("DO_NOTHING", "target_table_prep_mode", _PREP_MODES),
    "MaxFullLoadSubTasks": _Setting(8, "parallel_load_tables", greatest=49),
    **_without_effect(
        "CreatePkAfterFullLoad StopTaskCachedChangesApplied StopTaskCachedChangesNotApplied "
        "TransactionConsistencyTimeout CommitRate"
    ),
}
_CONTROL_TABLES: _Group = {
    "StatusTableEnabled": _Setting(default=False, attribute="status_table"),
    "HistoryTableEnabled": _Setting(default=False, attribute="history_table"),
    "SuspendedTablesTableEnabled": _Setting(default=False, attribute="suspended_tables_table"),
    "FullLoadExceptionTableEnabled": _Setting(default=False, attribute="full_load_exception_table"),
    **_without_effect("ControlSchema HistoryTimeslotInMinutes historyTimeslotInMinutes"),
}
_BEFORE_IMAGE: _Group = {
    "EnableBeforeImage": _Setting(default=False, attribute="before_image"),
    "FieldName": _Setting("", "before_image_field"),
    "ColumnFilter": _Setting("pk-only", "before_image_filter", ("pk-only", "non-lob", "all")),
}
_STAND_IN: _Group = {
    "LosslessNumerics": _Setting(default=True, attribute="lossless_numerics"),
    "UnchangedLargeValue": _Setting("absent", "unchanged_large_value", ("absent", "null")),
    "LargeKeys": _Setting("refuse", "large_keys", ("refuse", "send")),
    "PutRecordsFailureRate": _Setting(0.0, "put_records_failure_rate", greatest=0.9),
    "LostReplyRate": _Setting(0.0, "lost_reply_rate", greatest=0.9),
    "InterleaveKeys": _Setting(default=False, attribute="interleave_keys"),
    "SourceShape": _Setting("postgresql", "source_shape", tuple(DIALECTS)),
    "ShuffleMembers": _Setting(default=False, attribute="shuffle_members"),
    "PartialUpdates": _Setting(default=False, attribute="partial_updates"),
    "UnloggedOfDeleted": _Setting("null", "unlogged_of_deleted", ("null", "absent", "key-only")),
    "TimestampDigits": _Setting("source", "timestamp_digits", ("source", "0", "6", "9")),
    "BooleanAsNumber": _Setting(default=False, attribute="boolean_as_number"),
    "LoadBesideChanges": _Setting(default=False, attribute="load_beside_changes"),
    "LoadDelaySeconds": _Setting(0.0, "load_delay_seconds", greatest=3600),
    "LoadHoldSeconds": _Setting(0.0, "load_hold_seconds", greatest=3600),
    "ShuffleLoad": _Setting(default=False, attribute="shuffle_load"),
    "ReplayTransactions": _Setting(0, "replay_transactions", greatest=1000),
    "ChangeSequenceOnReplay": _Setting("same", "sequence_on_replay", ("same", "new")),
}
_TASK_GROUPS: Mapping[str, _Group] = {
    "TargetMetadata": _TARGET_METADATA,
    "FullLoadSettings": _FULL_LOAD,
    "ControlTablesSettings": _CONTROL_TABLES,
    "BeforeImageSettings": _BEFORE_IMAGE,
}
_TASK_NAMES = (
    *_TASK_GROUPS,
    *("Logging", "ErrorBehavior", "ChangeProcessingTuning", "StreamBufferSettings", "ValidationSettings"),
    *("ChangeProcessingDdlHandlingPolicy", "PostProcessingRules", "CharacterSetSettings", "TTSettings"),
    *("LoopbackPreventionSettings", "FailTaskWhenCleanTaskResourceFailed"),
)
_PARTS = ("KinesisSettings", "PostgreSQLSettings", "TaskSettings", "TableMappings", "StandIn")


def load_settings(path: Path) -> Settings:
    """The settings of a task file; raises SettingsError with one line for each problem."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise SettingsError(f"{path}: not JSON: {error}") from error
    try:
        return read_settings(document)
    except SettingsError as error:
        raise SettingsError("\n".join(f"{path}: {line}" for line in str(error).splitlines())) from error


def read_settings(document: object) -> Settings:
    """The settings in a parsed task file; raises SettingsError with one line for each problem."""
    problems: list[str] = []
    parts = _object(document, "task file", problems)
    problems += _unknown(parts, _PARTS, "")
    task = _object(parts.get("TaskSettings", {}), "TaskSettings", problems)
    problems += _unknown(task, _TASK_NAMES, "TaskSettings.")
    found: dict[str, Any] = {}
    for place, group in _groups():
        holder = task if place.startswith("TaskSettings.") else parts
        given = _object(holder.get(place.rpartition(".")[2], {}), place, problems)
        found |= _read_group(place, group, given, problems)
    mappings = read_table_mappings(parts.get("TableMappings", {}), problems)
    problems += _refused(task, found, mappings)
    if problems or mappings is None:
        raise SettingsError("\n".join(map(_one_line, problems)))
    found["tabbed"] = found["message_format"] == "json"
    found["unchanged_as_null"] = found["unchanged_large_value"] == "null"
    found["send_large_keys"] = found["large_keys"] == "send"
    found["new_sequence_on_replay"] = found["sequence_on_replay"] == "new"
    found["table_mappings"] = mappings
    return Settings(**{field.name: found[field.name] for field in fields(Settings)})


def _one_line(problem: str) -> str:
    """Names in the file may hold line breaks."""
    return "".join(character if character.isprintable() else "?" for character in problem)


def _groups() -> Iterator[tuple[str, _Group]]:
    yield "KinesisSettings", _KINESIS
    yield "PostgreSQLSettings", _POSTGRESQL
    yield "StandIn", _STAND_IN
    for name, group in _TASK_GROUPS.items():
        yield f"TaskSettings.{name}", group


def _object(value: object, place: str, problems: list[str]) -> Mapping[str, Any]:
    if isinstance(value, dict):
        return value
    problems.append(f"{place}: must be an object")
    return {}


def _unknown(given: Mapping[str, Any], known: tuple[str, ...], prefix: str) -> list[str]:
    return [f"{prefix}{name}: unknown setting{_meant(name, known)}" for name in given if name not in known]


def _meant(name: str, known: tuple[str, ...]) -> str:
    by_lower = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return f", did you mean {by_lower[close[0]]}?" if close else f"; known are {', '.join(sorted(known))}"


def _read_group(place: str, group: _Group, given: Mapping[str, Any], problems: list[str]) -> Mapping[str, Any]:
    problems += _unknown(given, tuple(group), f"{place}.")
    found = {}
    for name, setting in group.items():
        if setting is _ANY:
            continue
        value = given.get(name, setting.default)
        problem = setting.problem(value)
        if problem is not None:
            problems.append(f"{place}.{name}: {problem}, got {json.dumps(value)}")
        found[setting.attribute] = value
    return found


def _refused(task: Mapping[str, Any], found: Mapping[str, Any], mappings: TableMappings | None) -> Iterator[str]:
    """Settings that DMS knows but that its Kinesis target cannot do, or that contradict each other."""
    target = task.get("TargetMetadata", {})
    if isinstance(target, dict) and target.get("FullLobMode"):
        yield "TaskSettings.TargetMetadata.FullLobMode: a Kinesis target has no full LOB mode; set it to false"
    if isinstance(target, dict) and target.get("BatchApplyEnabled"):
        yield "TaskSettings.TargetMetadata.BatchApplyEnabled: loses data on a Kinesis target; set it to false"
    if found["before_image"] and not found["before_image_field"]:
        yield "TaskSettings.BeforeImageSettings.FieldName: required when EnableBeforeImage is true"
    if found["before_image"] and mappings is not None and any(rule.before for rule in mappings.transformations):
        yield "TableMappings: add-before-image-columns and BeforeImageSettings cannot be used in one task"
