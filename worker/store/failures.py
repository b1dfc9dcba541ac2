"""Which DynamoDB failures are tried again. Everything is, except what no repetition can mend."""

from __future__ import annotations

from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from worker.errors import FatalError, TransientError

LONGEST_DELAY_SECONDS: Final = 5.0

REFUSED_CODES: Final = frozenset({"ConditionalCheckFailed", "ConditionalCheckFailedException", "DuplicateItem"})

# No repetition mends these: a table that is gone, rights that are missing, a request DynamoDB does not understand.
_FATAL_CODES: Final = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "ResourceNotFound",
        "ResourceNotFoundException",
        "SerializationException",
        "ValidationError",
        "ValidationException",
        "KMSAccessDenied",
    }
)

# A reply that is cut, another server's page, an answer without its members: asked for again
_GARBLED: Final = (ResponseParserError, LookupError, TypeError, ValueError, AttributeError, OSError)


def classify(error: Exception, call: str) -> FatalError | TransientError:
    """Our error for one that botocore raised: time-outs, resets, garbled replies, throttling and 5xx are transient."""
    if isinstance(error, (FatalError, TransientError)):
        return error
    if isinstance(error, ClientError):
        return classify_code(str(error.response.get("Error", {}).get("Code", "")), call)
    if isinstance(error, (BotoCoreError, *_GARBLED)):
        return TransientError(f"{call}: {type(error).__name__}")
    return FatalError(f"{call}: {type(error).__name__}")


def classify_code(code: str, call: str) -> FatalError | TransientError:
    """Our error for an error code of a whole call or of one statement."""
    if code in _FATAL_CODES:
        return FatalError(
            f"DynamoDB refused {call}: {code}: check the tables' names and the rights of the worker's role"
        )
    return TransientError(f"{call}: {code or 'no error code'}")


def refused_item(error: ClientError) -> dict[str, Any] | None:
    """What stands in the way of a conditional put; None when nothing does."""
    item: dict[str, Any] | None = error.response.get("Item")
    return item or None


def back_off_seconds(first_seconds: float, attempt: int, jitter: float) -> float:
    """How long to wait after that many attempts; `jitter` is 0 to 1.

    Full jitter: many children that were throttled together must not come back together.
    """
    longest: float = min(LONGEST_DELAY_SECONDS, first_seconds * 2 ** min(attempt, 16))
    return longest * (0.1 + 0.9 * jitter)
