"""The page of an operator's day is of the day that local/day.py goes through; the day itself takes minutes."""

from __future__ import annotations

import re
from pathlib import Path

from local.day import TOLD, Day, page
from local.processes import REPOSITORY

PAGE = (REPOSITORY / "docs" / "operations" / "a-day.md").read_text("utf-8")


class Told(Day):
    """A day whose commands print what they are given."""

    def __init__(self, folder: Path, *printed: str) -> None:
        self.folder = folder
        self.printed = list(printed)
        self.asked: list[str] = []

    def run(self, command: str) -> str:
        self.asked.append(command)
        return self.printed.pop(0) if self.printed else ""

    def edit(self, which: str) -> None:
        assert which in ("mend", "wrong", "back")


def test_the_page_has_the_commands_and_the_words_of_the_day() -> None:
    commands = re.findall(r"^@@ show (.+)$", TOLD, re.MULTILINE)
    words = [line for line in TOLD.splitlines() if line and not line.startswith("@@")]
    assert re.findall(r"^    (\S.*)\n\n```text$", PAGE, re.MULTILINE) == commands, "run: python -m local.day"
    assert [line for line in words if line not in PAGE] == []
    assert PAGE.rstrip().endswith("0 differences\n```")


def test_output_stands_as_it_came_but_for_colours_folders_and_repeated_progress(tmp_path: Path) -> None:
    progress = "".join(f"{n}% after {n}.5 s\n" for n in range(9))
    day = Told(tmp_path, f"\x1b[1mbold\x1b[0m {tmp_path}/mappings\n{progress}done\n", "")
    lines = list(page(day))
    at = lines.index("```text")
    assert lines[at + 1 : at + 6] == ["bold mappings", "0% after 0.5 s", "...", "8% after 8.5 s", "done"]
    assert "(nothing)" in lines
    assert day.asked == re.findall(r"^@@ show (.+)$", TOLD, re.MULTILINE)
