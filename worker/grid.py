"""The look of tables for people, the same in every report."""

from __future__ import annotations

from rich import box
from rich.table import Table


def grid() -> Table:
    """A table without columns yet."""
    return Table(box=box.SIMPLE_HEAD, padding=(0, 1), collapse_padding=True, pad_edge=False, show_edge=False)
