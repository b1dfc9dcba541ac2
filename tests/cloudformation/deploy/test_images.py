# ruff: noqa: N803 - arguments are named as ECR names them
"""An image goes to another region byte for byte, its tag last; the registries here are as strict as ECR."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from cloudformation.deploy import images
from cloudformation.deploy.errors import Failed
from cloudformation.deploy.finishing import Finishing
from tests.cloudformation.deploy.world import World, sleep


def sha(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class NotFound(Exception):
    """What ECR's client raises for an image it has not."""


class Registry:
    """ECR in one region, of one repository: refuses what ECR refuses."""

    class exceptions:  # noqa: N801 - as a client has them
        ImageNotFoundException = NotFound

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, str] = {}
        self.tags: dict[str, str] = {}
        self.uploads: dict[str, bytes] = {}
        self.log: list[str] = []

    def describe_images(self, repositoryName: str, imageIds: list[dict[str, str]]) -> Any:
        if imageIds[0]["imageTag"] not in self.tags:
            raise NotFound
        return {"imageDetails": [{"imageDigest": self.tags[imageIds[0]["imageTag"]]}]}

    def batch_get_image(
        self, repositoryName: str, imageIds: list[dict[str, str]], acceptedMediaTypes: list[str]
    ) -> Any:
        one = imageIds[0]
        digest = one.get("imageDigest") or self.tags[one["imageTag"]]
        text = self.manifests[digest]
        assert json.loads(text)["mediaType"] in acceptedMediaTypes
        return {"images": [{"imageManifest": text, "imageId": {"imageDigest": digest}}]}

    def batch_check_layer_availability(self, repositoryName: str, layerDigests: list[str]) -> Any:
        there = "AVAILABLE" if layerDigests[0] in self.blobs else "UNAVAILABLE"
        return {"layers": [{"layerDigest": layerDigests[0], "layerAvailability": there}]}

    def get_download_url_for_layer(self, repositoryName: str, layerDigest: str) -> Any:
        path = self.folder / layerDigest.replace(":", "-")
        path.write_bytes(self.blobs[layerDigest])
        return {"downloadUrl": path.as_uri()}

    def initiate_layer_upload(self, repositoryName: str) -> Any:
        self.uploads[upload := str(len(self.uploads))] = b""
        return {"uploadId": upload, "partSize": 1000}

    def upload_layer_part(self, **part: Any) -> Any:
        so_far = self.uploads[part["uploadId"]]
        assert part["partFirstByte"] == len(so_far)
        assert part["partLastByte"] == len(so_far) + len(part["layerPartBlob"]) - 1
        assert len(part["layerPartBlob"]) <= 1000
        self.uploads[part["uploadId"]] += part["layerPartBlob"]

    def complete_layer_upload(self, repositoryName: str, uploadId: str, layerDigests: list[str]) -> Any:
        assert sha(self.uploads[uploadId]) == layerDigests[0]
        self.blobs[layerDigests[0]] = self.uploads[uploadId]
        self.log.append(layerDigests[0])

    def put_image(self, repositoryName: str, imageManifest: str, imageDigest: str, **more: Any) -> Any:
        assert sha(imageManifest.encode()) == imageDigest
        manifest = json.loads(imageManifest)
        needed = [one["digest"] for one in (manifest.get("config"), *manifest.get("layers", [])) if one]
        assert set(needed) <= self.blobs.keys()
        assert {one["digest"] for one in manifest.get("manifests", [])} <= self.manifests.keys()
        self.manifests[imageDigest] = imageManifest
        if "imageTag" in more:
            self.tags[more["imageTag"]] = imageDigest
        self.log.append(more.get("imageTag", imageDigest))

    def push(self, tag: str) -> None:
        """An image for two processors that share a layer."""
        shared, children = b"base" * 1000, []
        for processor in (b"arm64", b"amd64"):
            parts = {sha(data): data for data in (b"config" + processor, shared, processor * 999)}
            self.blobs.update(parts)
            config, *layers = parts
            manifest = {
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": {"digest": config},
                "layers": [{"digest": layer} for layer in layers],
            }
            text = json.dumps(manifest)
            self.manifests[sha(text.encode())] = text
            children.append({"digest": sha(text.encode())})
        index = json.dumps({"mediaType": "application/vnd.oci.image.index.v1+json", "manifests": children})
        self.manifests[sha(index.encode())] = index
        self.tags[tag] = sha(index.encode())


@pytest.fixture
def registries(tmp_path: Path) -> dict[str, Registry]:
    return {region: Registry(tmp_path / region) for region in ("eu-west-1", "us-west-2", "us-east-1")}


def test_an_image_is_copied_with_all_its_platforms_and_its_tag_last(registries: dict[str, Registry]) -> None:
    source, target = registries["eu-west-1"], registries["us-west-2"]
    source.push("1.0")
    images.Copy(source, "r", target, "r").image("1.0")
    assert (target.blobs, target.manifests, target.tags) == (source.blobs, source.manifests, source.tags)
    assert target.log[-1] == "1.0"
    copied = len(target.log)
    images.Copy(source, "r", target, "r").image("1.0")
    assert len(target.log) == copied + 3  # manifests only: every layer is there


def test_bytes_that_changed_on_the_way_are_refused(registries: dict[str, Registry]) -> None:
    source, target = registries["eu-west-1"], registries["us-west-2"]
    source.push("1.0")
    blob = next(iter(source.blobs))
    source.blobs[blob] += b"!"
    with pytest.raises(Failed, match="came with other bytes"):
        images.Copy(source, "r", target, "r").image("1.0")
    assert target.tags == {}


def scene(world: World, registries: dict[str, Registry]) -> tuple[Finishing, Any]:
    world.content["artefacts"]["worker"] = {"tag": "1.0"}
    site = world.site()
    clients = world.ministack

    class Clients:
        def client(self, service: str, region: str) -> Any:
            return registries[region] if service == "ecr" else clients.client(service, region)

    site.clients = Clients()
    for region in registries:
        arn = f"arn:aws:ecr:{region}:123456789012:repository/r"
        site.outputs["artifacts", region, ""] = {"RepositoryArn": arn}
    return Finishing(site, sleep), site


def test_a_region_gets_the_image_from_one_that_has_it(world: World, registries: dict[str, Registry]) -> None:
    finishing, site = scene(world, registries)
    step = next(one for one in site.steps if one.region == "us-west-2")
    assert list(finishing._copy_image(step)) == []
    registries["eu-west-1"].push("1.0")
    (line,) = finishing._copy_image(step)
    assert line.startswith("image r:1.0 copied from eu-west-1 (sha256:")
    assert registries["us-west-2"].tags == registries["eu-west-1"].tags
    assert list(finishing._copy_image(step)) == []
