"""The list of what is in the image is in step with what is installed into it."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from local.processes import REPOSITORY
from local.sbom import JARS, LOCK, sbom, text

FILE: Final = REPOSITORY / "requirements" / "sbom.json"
SBOM: Final[dict[str, Any]] = json.loads(FILE.read_text("utf-8"))


def of(kind: str) -> dict[str, Any]:
    return {c["name"].lower(): c for c in SBOM["components"] if c["purl"].startswith(f"pkg:{kind}/")}


def test_the_file_is_what_the_program_prints() -> None:
    assert FILE.read_text("utf-8") == text(), "run: make sbom"
    assert sbom() == sbom()


def test_every_pinned_package_is_in_it_with_its_hashes_and_a_licence() -> None:
    lock = LOCK.read_text("utf-8")
    pinned = dict(re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", lock, re.MULTILINE))
    found = of("pypi")
    assert {name: component["version"] for name, component in found.items()} == {
        n.lower(): v for n, v in pinned.items()
    }
    hashes = {h["content"] for c in found.values() for h in c["externalReferences"][0]["hashes"]}
    assert hashes == set(re.findall(r"sha256:([0-9a-f]{64})", lock))
    assert all(component["licenses"] for component in found.values())


def test_every_jar_is_in_it_with_its_group_and_hash() -> None:
    jars = dict(line.split() for line in JARS.read_text("utf-8").splitlines() if not line.startswith("#"))
    components = of("maven").values()
    assert {c["hashes"][0]["content"]: f"{c['name']}-{c['version']}.jar" for c in components} == jars
    assert all(component["group"] for component in components)


def test_it_is_cyclonedx() -> None:
    assert (SBOM["bomFormat"], SBOM["specVersion"]) == ("CycloneDX", "1.6")
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", SBOM["serialNumber"])
    references = [component["bom-ref"] for component in SBOM["components"]]
    assert len(references) == len(set(references)) > 80
    assert SBOM["dependencies"][0]["dependsOn"] == sorted(references)
