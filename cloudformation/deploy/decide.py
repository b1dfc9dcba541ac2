"""What to do with a stack in each of its states; CloudFormation has more of them than created and not created."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Do(StrEnum):
    """The next action on a stack."""

    CREATE = "create"
    UPDATE = "update"
    WAIT = "wait"  # it is being changed: by a run that was killed, or by somebody else
    CLEAR = "clear"  # its creation failed; what is left can only be deleted
    CONTINUE_ROLLBACK = "continue-rollback"
    ROLL_BACK = "roll-back"
    DELETE = "delete"
    NOTHING = "nothing"
    REFUSE = "refuse"


GONE: Final = "DELETE_COMPLETE"
IN_REVIEW: Final = "REVIEW_IN_PROGRESS"  # a change set was made, but none was executed: there is no resource yet
STABLE: Final = frozenset(
    {
        *("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"),
        *("IMPORT_COMPLETE", "IMPORT_ROLLBACK_COMPLETE"),
    }
)
GOOD: Final = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"})


def to_deploy(status: str | None) -> Do:
    """The next action towards a stack as it should be; `status` is None where there is no stack."""
    if status in (None, GONE, IN_REVIEW):
        return Do.CREATE
    if status in STABLE:
        return Do.UPDATE
    return {
        "ROLLBACK_COMPLETE": Do.CLEAR,
        "ROLLBACK_FAILED": Do.CLEAR,
        "CREATE_FAILED": Do.CLEAR,
        "UPDATE_FAILED": Do.ROLL_BACK,
        "UPDATE_ROLLBACK_FAILED": Do.CONTINUE_ROLLBACK,
        "DELETE_FAILED": Do.REFUSE,  # half of it is gone: only the removal can be brought to its end
    }.get(str(status), Do.WAIT if str(status).endswith("_IN_PROGRESS") else Do.REFUSE)


def to_remove(status: str | None) -> Do:
    """The next action towards no stack."""
    if status in (None, GONE):
        return Do.NOTHING
    if str(status).endswith("_IN_PROGRESS") and status != IN_REVIEW:
        return Do.WAIT
    return Do.DELETE


def ended(status: str | None) -> bool:
    """Whether nothing is being done to a stack."""
    return status is None or status == IN_REVIEW or not status.endswith("_IN_PROGRESS")
