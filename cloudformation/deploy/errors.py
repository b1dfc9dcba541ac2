"""Errors of a deployment: what cannot be done, or stopped half way, a line for each problem."""

from __future__ import annotations

from worker.errors import NearviewError


class DeployError(NearviewError):
    """Nothing more can be done now; `problems` has a line for each thing that somebody has to do."""

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class Failed(DeployError):
    """A step was begun and did not end well. The next run goes on from there."""
