"""The settings that DMS knows, so that a misspelt one, which DMS may ignore, is noticed."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Final

from worker.dms.findings import Finding, Part, Severity

_CLOSE: Final = 0.8


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


KINESIS: Final = _names(
    "StreamArn MessageFormat ServiceAccessRoleArn IncludeTransactionDetails IncludePartitionValue"
    " PartitionIncludeSchemaTable IncludeTableAlterOperations IncludeControlDetails IncludeNullAndEmpty NoHexPrefix"
    " UseLargeIntegerValue"
)

_CONNECTION: Final = (
    " AfterConnectScript AuthenticationMethod DatabaseName ExecuteTimeout Password Port ServerName Username"
    " SecretsManagerAccessRoleArn SecretsManagerSecretId ServiceAccessRoleArn"
)

SOURCES: Final[Mapping[str, tuple[str, ...]]] = {
    "postgresql": _names(
        "CaptureDdls MaxFileSize DdlArtifactsSchema FailTasksOnLobTruncation HeartbeatEnable HeartbeatSchema"
        " HeartbeatFrequency SlotName PluginName TrimSpaceInChar MapBooleanAsBoolean MapJsonbAsClob MapLongVarcharAs"
        " DatabaseMode BabelfishDatabaseName DisableUnicodeSourceFilter" + _CONNECTION
    ),
    "mysql": _names(
        "CleanSourceMetadataOnMismatch EventsPollInterval TargetDbType MaxFileSize ParallelLoadThreads ServerTimezone"
        + _CONNECTION
    ),
    "oracle": _names(
        "AddSupplementalLogging ArchivedLogDestId AdditionalArchivedLogDestId ExtraArchivedLogDestIds"
        " AllowSelectNestedTables ParallelAsmReadThreads ReadAheadBlocks AccessAlternateDirectly"
        " UseAlternateFolderForOnline OraclePathPrefix UsePathPrefix ReplacePathPrefix EnableHomogenousTablespace"
        " DirectPathNoLog ArchivedLogsOnly AsmPassword AsmServer AsmUser CharLengthSemantics DirectPathParallelLoad"
        " FailTasksOnLobTruncation NumberDatatypeScale ReadTableSpaceName RetryInterval SecurityDbEncryption"
        " SecurityDbEncryptionName SpatialDataOptionToGeoJsonFunctionName StandbyDelayTime UseBFile"
        " UseDirectPathFullLoad UseLogminerReader SecretsManagerOracleAsmAccessRoleArn"
        " SecretsManagerOracleAsmSecretId TrimSpaceInChar ConvertTimestampWithZoneToUTC OpenTransactionWindow"
        + _CONNECTION
    ),
    "sqlserver": _names(
        "BcpPacketSize ControlTablesFileGroup QuerySingleAlwaysOnNode ReadBackupOnly SafeguardPolicy UseBcpFullLoad"
        " UseThirdPartyBackupDevice TrimSpaceInChar TlogAccessMode ForceLobLookup" + _CONNECTION
    ),
}

TASK: Final[Mapping[str, tuple[str, ...]]] = {
    "TargetMetadata": _names(
        "TargetSchema SupportLobs FullLobMode LobChunkSize LimitedSizeLobMode LobMaxSize InlineLobMaxSize"
        " LoadMaxFileSize ParallelLoadThreads ParallelLoadBufferSize ParallelLoadQueuesPerThread ParallelApplyThreads"
        " ParallelApplyBufferSize ParallelApplyQueuesPerThread BatchApplyEnabled TaskRecoveryTableEnabled"
    ),
    "FullLoadSettings": _names(
        "TargetTablePrepMode CreatePkAfterFullLoad StopTaskCachedChangesApplied StopTaskCachedChangesNotApplied"
        " MaxFullLoadSubTasks TransactionConsistencyTimeout CommitRate"
    ),
    "Logging": _names(
        "EnableLogging EnableLogContext LogComponents LogConfiguration CloudWatchLogGroup CloudWatchLogStream"
    ),
    "ControlTablesSettings": _names(
        "ControlSchema HistoryTimeslotInMinutes historyTimeslotInMinutes HistoryTableEnabled"
        " SuspendedTablesTableEnabled StatusTableEnabled FullLoadExceptionTableEnabled"
    ),
    "StreamBufferSettings": _names("StreamBufferCount StreamBufferSizeInMB CtrlStreamBufferSizeInMB"),
    "ChangeProcessingTuning": _names(
        "BatchApplyPreserveTransaction BatchApplyTimeoutMin BatchApplyTimeoutMax BatchApplyMemoryLimit BatchSplitSize"
        " MinTransactionSize CommitTimeout MemoryLimitTotal MemoryKeepTime StatementCacheSize RecoveryTimeout"
    ),
    "ValidationSettings": _names(
        "EnableValidation ValidationMode ThreadCount PartitionSize FailureMaxCount TableFailureMaxCount"
        " HandleCollationDiff ValidationOnly ValidationQueryCdcDelaySeconds RecordFailureDelayLimitInMinutes"
        " RecordFailureDelayInMinutes RecordSuspendDelayInMinutes MaxKeyColumnSize SkipLobColumns"
        " ValidationPartialLobSize ValidationS3Mask ValidationS3Time"
    ),
    "ChangeProcessingDdlHandlingPolicy": _names(
        "HandleSourceTableDropped HandleSourceTableTruncated HandleSourceTableAltered"
    ),
    "ErrorBehavior": _names(
        "DataErrorPolicy EventErrorPolicy DataTruncationErrorPolicy DataMaskingErrorPolicy DataErrorEscalationPolicy"
        " DataErrorEscalationCount TableErrorPolicy TableErrorEscalationPolicy TableErrorEscalationCount"
        " RecoverableErrorCount RecoverableErrorInterval RecoverableErrorThrottling RecoverableErrorThrottlingMax"
        " RecoverableErrorStopRetryAfterThrottlingMax ApplyErrorDeletePolicy ApplyErrorInsertPolicy"
        " ApplyErrorUpdatePolicy ApplyErrorEscalationPolicy ApplyErrorEscalationCount ApplyErrorFailOnTruncationDdl"
        " FullLoadIgnoreConflicts FailOnTransactionConsistencyBreached FailOnNoTablesCaptured"
    ),
    "CharacterSetSettings": _names("CharacterReplacements CharacterSetSupport"),
    "BeforeImageSettings": _names("EnableBeforeImage FieldName ColumnFilter"),
    "LoopbackPreventionSettings": _names("EnableLoopbackPrevention SourceSchema TargetSchema"),
    "TTSettings": _names("EnableTT FailTaskOnTTFailure TTS3Settings TTRecordSettings"),
    "PostProcessingRules": (),
    "FailTaskWhenCleanTaskResourceFailed": (),
}


def meant(name: str, known: tuple[str, ...]) -> str:
    """The known name that this one is probably meant to be; empty if it is known, or nothing like it is."""
    if name in known:
        return ""
    by_lower = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=_CLOSE)
    return by_lower[close[0]] if close else ""


def misspelt(part: Part, known: tuple[str, ...], below: str = "") -> Iterator[Finding]:
    """A warning for every name that looks like a known one; others may be newer than this list."""
    given = part.value(below) if below else part.values
    for name in given if isinstance(given, Mapping) else ():
        if close := meant(name, known):
            path = f"{below}.{name}" if below else name
            yield part.finding(
                Severity.WARNING, path, f"DMS knows no setting {name}: did you mean {close}?", f"rename it to {close}"
            )


def misspelt_task_settings(part: Part) -> Iterator[Finding]:
    """The same for all groups of task settings."""
    yield from misspelt(part, tuple(TASK))
    for group, names in TASK.items():
        if names:
            yield from misspelt(part, names, group)
