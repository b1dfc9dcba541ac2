"""A folder of mapping files: all problems of all files in one run, and what only shows between files."""

from __future__ import annotations

from pathlib import Path

from worker.mapping.loader import load_mappings

SHIPPED = Path(__file__).parents[3] / "mappings"


def _file(aggregate: str, source: str = "s.orders", key: str = "id", more: str = "") -> str:
    return f"aggregate: {aggregate}\nsource: {source}\nkey: {key}\nfields: [id]\n{more}"


def _problems(folder: Path) -> list[str]:
    mapping, problems = load_mappings(folder)
    assert (mapping is None) == bool(problems)
    return [str(problem).replace(f"{folder}/", "") for problem in problems]


def test_the_shipped_folder_loads() -> None:
    mapping, problems = load_mappings(SHIPPED)

    assert problems == []
    assert mapping is not None
    assert [aggregate.name for aggregate in mapping.aggregates] == ["customer", "order", "product"]


def test_a_folder_that_is_none_and_an_empty_one_say_so(tmp_path: Path) -> None:
    assert _problems(tmp_path / "nowhere") == [f"{tmp_path}/nowhere:1:1: no such folder of mappings"]
    assert _problems(tmp_path) == [f"{tmp_path}:1:1: the folder has no *.yaml file"]


def test_a_folder_of_tables_alone_says_so(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text("tables: {s.orders: {sensitive: {a: drop}}}\n")

    assert _problems(tmp_path) == [f"{tmp_path}:1:1: no file of the folder declares an aggregate"]


def test_both_endings_are_read_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(_file("a"))
    (tmp_path / "b.yml").write_text(_file("b"))
    (tmp_path / "README.md").write_text("not a mapping")
    mapping, _ = load_mappings(tmp_path)

    assert mapping is not None
    assert [aggregate.name for aggregate in mapping.aggregates] == ["a", "b"]


def test_the_problems_of_all_files_come_in_one_run_sorted(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text("aggregate: b\nsource: nothing\nkey: id\nfields: [id, id]\n")
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe")
    (tmp_path / "c.yaml").mkdir()
    (tmp_path / "d.yaml").write_text("a: [\n")

    assert _problems(tmp_path) == [
        "a.yaml:1:1: not UTF-8 text",
        "b.yaml:2:9: b: source nothing must be schema.table",
        "b.yaml:4:14: b: id is given twice",
        "c.yaml:1:1: Is a directory",
        "d.yaml:2:1: not YAML: expected the node content, but found '<stream end>'",
    ]


def test_names_and_collections_are_given_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(_file("order"))
    (tmp_path / "b.yaml").write_text(_file("order"))
    (tmp_path / "c.yaml").write_text(_file("other", more="collection: orders\n"))

    assert _problems(tmp_path) == [
        "b.yaml:1:12: aggregate order is already declared in a.yaml",
        "b.yaml:1:12: collection orders is already declared in a.yaml",
        "c.yaml:5:13: collection orders is already declared in a.yaml",
    ]


def test_a_table_has_one_key_in_all_files(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(_file("a", key="[x, y]"))
    (tmp_path / "b.yaml").write_text(_file("b", key="[y, x]"))

    (problem,) = _problems(tmp_path)
    assert problem == (
        "b.yaml:3:6: table s.orders has the key y, x here, but x, y at a.yaml:3: a table's key is its primary key"
        " everywhere, in the same order"
    )
