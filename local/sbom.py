"""What is in the worker's image, as CycloneDX: `python -m local.sbom > requirements/sbom.json` (`make sbom`).

The Python packages of requirements/worker.lock and the jars of worker/supervisor/jars.sha256, each with its hashes.
The packages of the base image and Java come from Debian and are in dpkg's own list.
"""

from __future__ import annotations

import json
import re
import sys
import uuid
import zipfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any, Final

from local.processes import REPOSITORY
from worker.supervisor.jars import jar_folder

LOCK: Final = REPOSITORY / "requirements" / "worker.lock"
JARS: Final = REPOSITORY / "worker" / "supervisor" / "jars.sha256"
_PINNED: Final = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)((?:\s*\\\s*--hash=sha256:[0-9a-f]{64})+)", re.MULTILINE)
_NAMESPACE: Final = uuid.UUID("6a0f3a5c-7f0e-5b43-9a55-3f2d7c1b0e55")
_JAR_NAME: Final = re.compile(r"(.+?)-(\d[\w.+-]*)\.jar")
_GROUPS: Final = {
    "checker-qual": "org.checkerframework",
    "ion-java": "com.amazon.ion",
    "jcommander": "com.beust",
    "protobuf-java": "com.google.protobuf",
    "reactive-streams": "org.reactivestreams",
    "rxjava": "io.reactivex.rxjava3",
    "third-party-jackson-core": "software.amazon.awssdk",
    "third-party-jackson-dataformat-cbor": "software.amazon.awssdk",
}
"""Of jars that do not say so themselves."""


def sbom() -> dict[str, Any]:
    """The document; the same inputs give the same text."""
    components = [*_packages(), *_jars()]
    content = json.dumps(components, sort_keys=True)
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, content)}",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "nearview-worker", "bom-ref": "nearview-worker"}},
        "components": components,
        "dependencies": [
            {"ref": "nearview-worker", "dependsOn": sorted(component["bom-ref"] for component in components)}
        ],
    }


def _packages() -> Iterator[dict[str, Any]]:
    for name, version, hashes in _PINNED.findall(LOCK.read_text("utf-8")):
        digests = sorted(re.findall(r"sha256:([0-9a-f]{64})", hashes))
        purl = f"pkg:pypi/{name.lower().replace('_', '-')}@{version}"
        yield {
            "type": "library",
            "bom-ref": purl,
            "name": name,
            "version": version,
            "purl": purl,
            **_licence(name),
            # one for each file that may be installed, source or wheel
            "externalReferences": [
                {
                    "type": "distribution",
                    "url": f"https://pypi.org/project/{name}/{version}/",
                    "hashes": [{"alg": "SHA-256", "content": digest} for digest in digests],
                }
            ],
        }


def _licence(name: str) -> dict[str, Any]:
    try:
        found = metadata(name)
    except PackageNotFoundError:
        return {}
    if expressions := found.get_all("License-Expression"):
        return {"licenses": [{"expression": expressions[0]}]}
    classifiers = [c.rpartition(" :: ")[2] for c in found.get_all("Classifier") or () if c.startswith("License ::")]
    text = (found.get_all("License") or [""])[0]
    named = classifiers or ([text] if text and len(text) < 60 and "\n" not in text else [])
    return {"licenses": [{"license": {"name": one}} for one in named]} if named else {}


def _jars() -> Iterator[dict[str, Any]]:
    folder = jar_folder()
    for line in JARS.read_text("utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        digest, file = line.split()
        match = _JAR_NAME.fullmatch(file)
        name, version = match.groups() if match else (file, "")
        group = _group(folder / file, name) if folder else ""
        purl = f"pkg:maven/{group}/{name}@{version}" if group else f"pkg:generic/{file}"
        yield {
            "type": "library",
            "bom-ref": purl,
            **({"group": group} if group else {}),
            "name": name,
            "version": version,
            "purl": purl,
            "hashes": [{"alg": "SHA-256", "content": digest}],
        }


def _group(jar: Path, name: str) -> str:
    """The Maven group that a jar says it has; "" if it says none and it is not known either."""
    if name in _GROUPS or not jar.is_file():
        return _GROUPS.get(name, "")
    with zipfile.ZipFile(jar) as opened:
        for entry in opened.namelist():
            match = re.fullmatch(r"META-INF/maven/([^/]+)/([^/]+)/pom\.properties", entry)
            if match and match[2] == name:
                return match[1]
    return ""


def text() -> str:
    """As it is kept in requirements/sbom.json."""
    return json.dumps(sbom(), indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
