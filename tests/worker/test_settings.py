"""Settings: all problems at once, and a reference that is made from the same definition."""

from pathlib import Path

import pytest

from worker.errors import SettingsError
from worker.settings import parse, specs
from worker.settings_reference import markdown, reference

GOOD = {
    "AWS_REGION": "eu-west-1",
    "NEARVIEW_APPLICATION": "shop-worker",
    "NEARVIEW_STREAM": "shop-changes",
    "NEARVIEW_ROWS_TABLE": "shop-rows",
    "NEARVIEW_DOCUMENTS_TABLE": "shop-documents",
    "NEARVIEW_PARKED_TABLE": "shop-parked",
}


def problems(**changed: str) -> tuple[str, ...]:
    """What is wrong with good settings once some are changed."""
    with pytest.raises(SettingsError) as caught:
        parse(GOOD | changed)
    return caught.value.problems


def test_good_settings_have_their_values_and_defaults() -> None:
    settings = parse(GOOD | {"NEARVIEW_HTTP_PORT": " 8080 ", "NEARVIEW_INITIAL_POSITION": "LATEST", "HOME": "/root"})
    assert settings.http_port == 8080
    assert settings.initial_position == "LATEST"
    assert settings.stream == "shop-changes"
    assert settings.batch_records == 500
    assert settings.endpoint_url == ""


def test_an_empty_value_counts_as_not_set() -> None:
    assert parse(GOOD | {"NEARVIEW_BATCH_RECORDS": ""}).batch_records == 500
    assert problems(NEARVIEW_STREAM=" ")[0].startswith("NEARVIEW_STREAM is not set: ")


def test_all_problems_are_reported_at_once() -> None:
    found = problems(
        AWS_REGION="",
        NEARVIEW_HTTP_PORT="web",
        NEARVIEW_LOG_LEVEL="Info",
        NEARVIEW_STREEM="x",
        NEARVIEW_BATCH_RECORDS="0",
    )
    assert [line.split()[0] for line in found] == [
        "AWS_REGION",
        "NEARVIEW_BATCH_RECORDS",
        "NEARVIEW_HTTP_PORT",
        "NEARVIEW_LOG_LEVEL",
        "NEARVIEW_STREEM",
    ]


@pytest.mark.parametrize("text", ["-1", "65536", "1e3", "0x10", "٣", "9" * 5000, "--1", "-"])
def test_a_number_out_of_bounds_or_form_is_refused(text: str) -> None:
    (line,) = problems(NEARVIEW_HTTP_PORT=text)
    assert line == f"NEARVIEW_HTTP_PORT must be a whole number, 0 to 65535, not {text!r}"


def test_near_misses_of_names_and_choices_are_named() -> None:
    assert problems(NEARVIEW_BATCH_RECORD="1") == (
        "NEARVIEW_BATCH_RECORD is not a setting; did you mean NEARVIEW_BATCH_RECORDS?",
    )
    assert problems(NEARVIEW_INITIAL_POSITION="TRIM_HORIZONT") == (
        "NEARVIEW_INITIAL_POSITION must be TRIM_HORIZON or LATEST, not 'TRIM_HORIZONT'; did you mean TRIM_HORIZON?",
    )
    assert problems(NEARVIEW_QUUX="1") == ("NEARVIEW_QUUX is not a setting",)


def test_names_of_the_local_stack_are_not_ours_to_judge() -> None:
    assert parse(GOOD | {"NEARVIEW_LOCAL_DIR": "/tmp/x"})  # noqa: S108 - any text


def test_a_shell_that_knows_the_source_may_start_a_worker() -> None:
    assert parse(GOOD | {"NEARVIEW_SOURCE_URL": "postgresql://somewhere"})


def test_every_setting_is_described_and_its_default_is_allowed() -> None:
    for attribute, spec in specs():
        assert spec.description.endswith("."), attribute
        if spec.default not in (None, ""):
            assert spec.parse(str(spec.default)) == (spec.default, None), attribute


def test_the_document_says_what_the_code_says() -> None:
    path = Path(__file__).parents[2] / "docs" / "settings.md"
    assert path.read_text(encoding="utf-8") == markdown(), "run: nearview settings --markdown > docs/settings.md"


def test_the_reference_leaves_out_what_users_do_not_set() -> None:
    names = [entry["name"] for entry in reference()]
    assert "NEARVIEW_STREAM" in names
    assert "NEARVIEW_RUN_FOLDER" not in names
