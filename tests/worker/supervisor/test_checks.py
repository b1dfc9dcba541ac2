"""What is wrong with an installation is told before anything is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from worker.operator_cli import operator_settings
from worker.parked.settings import DECODES, KEYS
from worker.supervisor.checks import mapping_problems

SECRET = "0123456789abcdef0123456789abcdef"
ORDERS = "aggregate: order\nsource: shop.orders\nkey: order_id\nfields: [order_id, note]\n"
TABLES = "tables:\n  shop.orders: {sensitive: {note: token}}\n"


@pytest.mark.parametrize(
    ("tables", "environ", "problems"),
    [
        ("", {}, 0),
        (TABLES, {}, 2),
        (TABLES, {"NEARVIEW_TOKEN_KEY": SECRET}, 1),
        (TABLES, {"NEARVIEW_TOKEN_KEY": SECRET, "NEARVIEW_PARKED_KEY": SECRET}, 0),
        (TABLES, {"NEARVIEW_TOKEN_KEY": SECRET, "NEARVIEW_PARKED_KMS_KEY": "alias/parked"}, 0),
        (TABLES, {"NEARVIEW_TOKEN_KEY": SECRET, "NEARVIEW_PARKED_KEY": "short"}, 1),
        (TABLES, {"NEARVIEW_TOKEN_KEY": SECRET, "NEARVIEW_PARKED_KEY_FILE": "/nowhere"}, 1),
        ("", {"NEARVIEW_PARKED_KEY": SECRET, "NEARVIEW_PARKED_KMS_KEY": "alias/parked"}, 1),
        (TABLES, {"NEARVIEW_SOURCE_ENGINE": "oracle"}, 3),
    ],
)
def test_settings_that_the_mappings_need_are_checked_with_them(
    tmp_path: Path, tables: str, environ: dict[str, str], problems: int
) -> None:
    (tmp_path / "order.yaml").write_text(ORDERS)
    if tables:
        (tmp_path / "tables.yaml").write_text(tables)

    found = mapping_problems(operator_settings({**environ, "NEARVIEW_MAPPINGS": str(tmp_path)}, (*DECODES, *KEYS)))

    assert len(found) == problems
    assert all(line.startswith("NEARVIEW_") for line in found)
    assert all(SECRET not in line and "short" not in line.replace("too short", "") for line in found)


def test_a_folder_that_is_none_and_a_wrong_mapping_are_told(tmp_path: Path) -> None:
    def problems(folder: Path) -> list[str]:
        return mapping_problems(operator_settings({"NEARVIEW_MAPPINGS": str(folder)}, DECODES))

    assert problems(tmp_path / "none") == [f"NEARVIEW_MAPPINGS: {tmp_path}/none is not a folder"]
    (tmp_path / "order.yaml").write_text("aggregate: order\n")
    assert problems(tmp_path)[0].startswith(f"{tmp_path}/order.yaml:1:")
