"""Checks of an installation, apart from its settings: Java, the jars, the mapping files."""

from collections.abc import Mapping
from pathlib import Path

from worker.errors import FatalError, SettingsError
from worker.settings import Settings
from worker.supervisor import archive, jars
from worker.supervisor.java import find_java, java_version

ADVICE = "`nearview worker archive` makes one, and the daemon starts sooner"


def installation(java_setting: str, environ: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Lines on what is well and on what is not with Java and the jars."""
    good, bad = [], []
    try:
        java = find_java(java_setting, environ)
        good.append(f"java: {java} ({java_version(java)})")
    except FatalError as error:
        bad.append(f"java: {error}")
    fine, line = jars.summary()
    (good if fine else bad).append(f"jars: {line}")
    folder = jars.jar_folder()
    if fine and folder:
        there = archive.place(folder).is_file()
        good.append(f"archive: {archive.place(folder)}" if there else f"archive: none; {ADVICE}")
    return good, bad


def mapping_problems(settings: Settings) -> list[str]:
    """The problems of the mapping files, and of settings that they need, one a line."""
    from worker.parked.keys import problems
    from worker.source_settings import read_mapping, source

    folder = Path(settings.mappings)
    if not folder.is_dir():
        return [f"NEARVIEW_MAPPINGS: {folder} is not a folder"]
    try:
        mapping = read_mapping(folder)
    except SettingsError as error:
        return list(error.problems)
    found = problems(settings, mapping)
    try:
        source(settings, mapping)
    except SettingsError as error:
        return [*error.problems, *found]
    return found
