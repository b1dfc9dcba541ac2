"""What a daemon knows of a child, and what the lease table answers to its checkpoints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.soak.child import Child
from tests.soak.shards import Position, Shard


@dataclass(eq=False)
class Holder:
    """A child and its shard. `owns`: it has the lease. `action`: what it has been told and has not reported as done.

    `delivered`: the last place it has been given. `excuse`: the injected fault that may end it.
    """

    shard: Shard
    child: Child
    delivered: Position
    owns: bool = True
    action: str = ""
    stopped: bool = False
    weight: float = 1.0
    excuse: str = ""

    def tell(self, action: str, **members: Any) -> None:
        """Send an action."""
        self.action = action
        self.child.send(action, **members)

    @property
    def idle(self) -> bool:
        """Whether it waits for an action."""
        return not self.action and not self.child.ended

    @property
    def idle_untold(self) -> bool:
        """Whether it lost its lease while it had nothing to do, and has not been told."""
        return self.idle and not self.owns and not self.child.closed

    @property
    def works(self) -> bool:
        """Whether it will say something before anybody answers it."""
        if self.stopped or self.child.inbox or self.child.ended:
            return False
        return bool(self.action) or not self.child.waits


def refusal(holder: Holder, position: Position | None) -> tuple[str, str] | None:
    """The error that KCL answers a checkpoint with, and what is wrong with having asked; None if it is stored."""
    if holder.action == "leaseLost":
        return "InvalidStateException", "a checkpoint after its lease was lost"
    if not holder.owns:
        return "ShutdownException", ""
    if position is None:
        if holder.action == "shardEnded":
            return None
        return "IllegalArgumentException", "a checkpoint without a sequence number before the shard has ended"
    if holder.action == "shardEnded":
        return "IllegalArgumentException", "the end of a shard is checkpointed with a sequence number"
    if holder.action == "initialize":
        return "IllegalArgumentException", "a checkpoint before any record"
    if not holder.shard.checkpoint <= position <= holder.delivered:
        return (
            "IllegalArgumentException",
            f"checkpoint {position} is not between {holder.shard.checkpoint} and the last",
        )
    return None
