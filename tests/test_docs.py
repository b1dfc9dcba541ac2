"""The documents say what the code does: settings, commands, metrics, mapping language, links."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

import click
import pytest
from click.testing import CliRunner
from prometheus_client import Counter, Gauge, Histogram

from api_lambdas.regions.settings import region_settings
from api_lambdas.regions.state import Reason as Reason_
from api_lambdas.shared.http import Kind
from api_lambdas.shared.settings import Access
from api_lambdas.shared.sigv4 import Credentials
from contract.mapping import FieldType
from contract.regions import State
from worker import metrics, settings, settings_reference
from worker.cli import main
from worker.failover.plan import Step
from worker.log import Event, Log
from worker.mapping import language, reference, schema
from worker.mapping.lint import Code
from worker.mapping.loader import load_mappings, read_mappings
from worker.parked.commands import BEFORE_HORIZON, CANNOT_OPEN, INCOMPLETE
from worker.parked.limit import Held
from worker.records.errors import Reason
from worker.supervisor import collector
from worker.supervisor.collector import ChildMetrics, WorkerCollector
from worker.supervisor.health import Health

ROOT: Final = Path(__file__).resolve().parents[1]
DOCS: Final = ROOT / "docs"
DOCUMENTS: Final = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
EXAMPLES: Final = sorted(path.parent for path in DOCS.glob("examples/*/mappings"))

_CODE = re.compile(
    r"^(?P<fence>```+)(?P<language>\w*)\n(?P<body>.*?)^(?P=fence)$|`(?P<inline>[^`\n]+)`", re.MULTILINE | re.DOTALL
)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_PARAMETRISED = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def text_of(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


def section(text: str, heading: str) -> str:
    """What stands under a heading, up to the next one of its level or higher."""
    level = heading.split(" ", 1)[0]
    _, _, rest = text.partition(f"\n{heading}\n")
    assert rest, f"no heading {heading!r}"
    return re.split(rf"^#{{1,{len(level)}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def first_cells(text: str) -> set[str]:
    """The names in code type in the first column of all tables of a text."""
    cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("| ")]
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def test_the_settings_reference_is_what_the_program_prints() -> None:
    assert settings_reference.markdown() == text_of("settings.md")


@_PARAMETRISED
def test_every_setting_named_exists(path: Path) -> None:
    others = {settings.SOURCE_URL, settings.SOURCE_SECRET, "NEARVIEW_LOCAL_DIR"}
    known = {spec.name for _, spec in settings.specs()} | others

    named = set(re.findall(r"\bNEARVIEW_[A-Z_]*[A-Z]\b", path.read_text("utf-8")))

    assert named <= known


# commands


def command_lines(text: str) -> Iterator[list[str]]:
    """The words of every `nearview ...` line in code type, without its comment and what follows it in a pipe."""
    indented = [line.strip() for line in text.splitlines() if line.startswith("    ")]
    for match in _CODE.finditer(text):
        body = match["inline"] or match["body"]
        indented += [line.strip() for line in body.splitlines()]
    for line in indented:
        found = re.match(r"(?:eval \"\$\()?nearview\s+([a-z][^|;>)#\"]*)", line)
        if found:
            yield shlex.split(found[1], comments=True)


def check_command(words: list[str]) -> None:
    """Walk the program's commands along the words; every option must be one of the command reached."""
    command: click.Command = main
    context = click.Context(main, info_name="nearview")
    rest = list(words)
    while isinstance(command, click.Group) and rest and not (rest[0].startswith("-") and command.params):
        name = rest.pop(0)
        following = command.get_command(context, name)
        assert following is not None, f"no command {name} in {' '.join(words)!r}"
        command, context = following, click.Context(following, info_name=name, parent=context)
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    passes_on = command.context_settings.get("ignore_unknown_options", False)
    for word in rest:
        if word.startswith("-") and not passes_on:
            option = word.partition("=")[0]
            assert option in known | {"--help"}, f"no option {option} in {' '.join(words)!r}"


@_PARAMETRISED
def test_every_command_named_exists_with_its_options(path: Path) -> None:
    for words in command_lines(path.read_text("utf-8")):
        check_command(words)


def test_a_command_that_does_not_exist_is_noticed() -> None:
    for line in ("nearview local upp", "nearview local up --schemas x", "nearview parked lists --all"):
        (words,) = command_lines(f"`{line}`")
        with pytest.raises(AssertionError, match=r"no (command|option)"):
            check_command(words)


@pytest.mark.parametrize(
    ("document", "heading", "command"),
    [
        ("dms.md", "# The DMS task", ["dms", "lint"]),
        ("deploying.md", "## In a pipeline", ["deploy"]),
        ("replay.md", "# Replay", ["replay"]),
        ("verify.md", "# Verify", ["verify"]),
        ("operations/console.md", "# The console", ["console"]),
        ("developing.md", "## nearview init", ["init"]),
        ("developing.md", "## nearview test", ["test"]),
        ("developing.md", "## nearview explain", ["explain"]),
        ("developing.md", "## nearview plan", ["plan"]),
        ("own-database.md", "## Options of `nearview local up`", ["local", "up"]),
    ],
)
def test_every_option_of_a_command_with_an_option_table_is_documented(
    document: str, heading: str, command: list[str]
) -> None:
    found: click.Command = main
    for name in command:
        assert isinstance(found, click.Group)
        inner = found.get_command(click.Context(found), name)
        assert inner is not None
        found = inner
    options = {option for parameter in found.params for option in parameter.opts if option.startswith("--")}

    named = {cell.split(" ")[0] for cell in first_cells(section("\n" + text_of(document), heading))}

    assert options == {name for name in named if name.startswith("--")}


@_PARAMETRISED
def test_every_make_target_named_exists(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    lines = [line for line in path.read_text("utf-8").splitlines() if line.startswith("    make ")]
    named = re.findall(r"`make ([a-z-]+)", path.read_text("utf-8")) + [line.split()[1] for line in lines]

    assert set(named) <= targets


# the API


def test_every_problem_of_the_api_is_named_and_no_other() -> None:
    told = section(text_of("api.md"), "## Errors").partition("`urn:nearview:problem:`")[2].partition("\n\n")[0]

    assert set(re.findall(r"`([a-z-]+)`", told)) == {kind.value[0] for kind in Kind}


# regions


def test_the_page_of_regions_names_every_state_reason_and_step_and_no_other() -> None:
    text = text_of("regions.md")
    reasons = re.search(r"^\| `reason` \|.*?\n\n", text, re.MULTILINE | re.DOTALL)
    assert reasons is not None

    assert first_cells(reasons[0]) - {"reason"} == {reason.code for reason in Reason_}
    assert {state.value for state in State} <= first_cells(section(text, "## What there is"))
    steps = re.findall(r"nearview failover ([a-z]+)", " ".join(sorted(first_cells(section(text, "## A failover")))))
    assert steps == sorted(step.value for step in Step)
    assert not set(re.findall(r"`([a-z]+(?:-[a-z]+)+)` with `Retry-After`", text)) - {kind.value[0] for kind in Kind}


@pytest.mark.parametrize("name", ["FENCE_SECONDS", "BREAKER_FAILURES", "BREAKER_OPEN_SECONDS", "REGIONS_CACHE_SECONDS"])
def test_the_page_of_regions_has_the_settings_as_shipped(name: str) -> None:
    shipped = region_settings({"REGIONS_TABLE": "t"}, Access("eu-west-1", "http://127.0.0.1:1", Credentials("", "")))
    assert shipped is not None
    value = getattr(shipped, name.removeprefix("REGIONS_").lower())

    assert f"`{name}` ({value:g})" in text_of("regions.md").replace(" seconds", "")


@pytest.mark.parametrize("path", sorted((DOCS / "images").glob("regions-*.svg")), ids=lambda path: path.stem)
def test_a_picture_is_shown_says_what_it_shows_and_fits_light_and_dark(path: Path) -> None:
    picture = ElementTree.parse(path).getroot()  # noqa: S314  a file of ours
    title = picture.findtext("{http://www.w3.org/2000/svg}title")

    assert title == picture.get("aria-label")
    assert f"![{title}](images/{path.name})" in text_of("regions.md")
    assert "prefers-color-scheme:dark" in path.read_text("utf-8")


# metrics, events, reasons


def exported_metrics(folder: Path) -> set[str]:
    """Names as Prometheus sees them; those of histograms without their suffixes."""
    own = [value for value in vars(metrics).values() if isinstance(value, (Counter, Gauge, Histogram))]
    found = [family for metric in own for family in metric.collect()]
    found += WorkerCollector(ChildMetrics(folder), Health(Log())).collect()
    suffixes = {"counter": "_total", "info": "_info"}
    names = {family.name + suffixes.get(family.type, "") for family in found}
    return names | {name for name, _ in collector._AGES.values()}


def test_the_metrics_table_names_every_metric_and_no_other(tmp_path: Path) -> None:
    documented = first_cells(section(text_of("operations/README.md"), "## Metrics"))

    assert exported_metrics(tmp_path) == documented


@_PARAMETRISED
def test_every_metric_named_exists(path: Path, tmp_path: Path) -> None:
    named = set(re.findall(r"`(nearview_[a-z_]+)", path.read_text("utf-8")))

    assert named <= exported_metrics(tmp_path)


def test_every_event_that_is_logged_is_documented_and_no_other() -> None:
    log_section = section(text_of("operations/README.md"), "## Log events")
    # these carry other programs' own lines, or are for people who look into one worker
    passed_on = {"kcl", "library", "daemon_output", "batch_done"}

    named = set(re.findall(r"`([a-z]+(?:_[a-z]+)*)`", log_section)) - {"time", "level", "event", "message"}

    source = "".join(file.read_text("utf-8") for file in (ROOT / "worker").rglob("*.py"))
    logged = {str(event) for event in Event if f"Event.{event.name}" in source}
    assert named == logged - passed_on


def test_every_reason_for_parking_is_explained() -> None:
    explained = first_cells(section(text_of("operations/parked.md"), "## Parked records and documents"))

    assert {str(reason) for reason in Reason} == explained


def test_what_a_retry_says_and_why_a_shard_holds_is_explained() -> None:
    text = text_of("operations/parked.md")

    assert {BEFORE_HORIZON, CANNOT_OPEN, INCOMPLETE} <= first_cells(
        section(text, "## Bring back, throw away, take elsewhere")
    )
    assert {str(why) for why in Held} == first_cells(section(text, "## A shard holds"))


# the mapping language


def test_the_reference_of_the_language_and_its_schema_are_what_the_program_prints() -> None:
    assert reference.markdown() == text_of("mapping-reference.md")
    assert schema.text() == (ROOT / "mappings" / "nearview.schema.json").read_text("utf-8")


def test_every_key_of_the_language_is_told_of() -> None:
    named = {match["inline"] for match in _CODE.finditer(text_of("mapping.md"))}

    assert {str(key.name) for key in language.KEYS} <= named


def test_every_field_type_is_documented_and_no_other() -> None:
    types = first_cells(section(text_of("mapping.md"), "### Field types"))

    assert {str(kind) for kind in FieldType} == types


def test_every_yaml_example_is_a_mapping_without_problems() -> None:
    blocks = [match["body"] for match in _CODE.finditer(text_of("mapping.md")) if match["language"] == "yaml"]
    examples = [block for block in blocks if block.startswith(("aggregate:", "tables:", "#"))]

    problems = [
        str(problem) for n, example in enumerate(examples) for problem in read_mappings({f"{n}.yaml": example})[1]
    ]

    assert len(examples) >= 10
    assert problems == []


def test_every_feature_has_an_example_that_runs() -> None:
    linked = {link for link in _LINK.findall(text_of("features.md")) if link.startswith("examples/")}
    result = CliRunner().invoke(main, ["test", str(DOCS / "examples" / "features"), "--json"])
    outcome = json.loads(result.stdout)

    assert linked == {str(path.relative_to(DOCS)) for path in (DOCS / "examples" / "features").iterdir()}
    assert result.exit_code == 0, outcome
    assert len(outcome["examples"]) >= len(linked)


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda folder: folder.name)
def test_every_example_has_mappings_without_problems_a_schema_and_a_workload(folder: Path) -> None:
    mapping, problems = load_mappings(folder / "mappings")

    assert [str(problem) for problem in problems] == []
    assert mapping is not None
    schema = (folder / "schema.sql").read_text("utf-8")
    assert all(f"CREATE TABLE {table} (" in schema for table in mapping.tables)
    assert (folder / "workload.sql").read_text("utf-8")


def test_every_warning_of_lint_is_explained_and_no_other() -> None:
    assert {str(code) for code in Code} == first_cells(section(text_of("mapping.md"), "## Lint"))


# links and words


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", path.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-") for heading in headings}


@_PARAMETRISED
def test_every_relative_link_leads_somewhere(path: Path) -> None:
    broken = []
    for link in _LINK.findall(path.read_text("utf-8")):
        target, _, anchor = link.partition("#")
        if "://" in link:
            continue
        file = (path.parent / target).resolve() if target else path
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(link)

    assert broken == []


def test_the_readme_leads_to_every_document() -> None:
    linked = set(_LINK.findall((ROOT / "README.md").read_text("utf-8")))

    assert {f"docs/{path.name}" for path in DOCS.glob("*.md")} <= linked
    assert "docs/operations/README.md" in linked


def test_the_operations_page_leads_to_every_other() -> None:
    linked = {link.partition("#")[0] for link in _LINK.findall(text_of("operations/README.md"))}

    assert {path.name for path in (DOCS / "operations").glob("*.md")} - {"README.md"} <= linked


@_PARAMETRISED
def test_no_path_of_somebodys_machine(path: Path) -> None:
    assert re.findall(r"(?<![\w.$])/(?:home|root|Users|work)/\S*", path.read_text("utf-8")) == []
