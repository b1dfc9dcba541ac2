"""Container images in ECR: whether one is there, and a copy of it in another region, byte for byte."""

from __future__ import annotations

import hashlib
import json
import urllib.request
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from cloudformation.deploy.errors import Failed

_INDEXES: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_MANIFESTS: Final = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_DOWNLOAD_SECONDS: Final = 60
_PART_BYTES: Final = 10 * 1024 * 1024


def digest(client: Any, repository: str, tag: str) -> str | None:
    """The digest of a tagged image; None if it is not there."""
    try:
        found = client.describe_images(repositoryName=repository, imageIds=[{"imageTag": tag}])["imageDetails"]
    except client.exceptions.ImageNotFoundException:
        return None
    return str(found[0]["imageDigest"]) if found else None


@dataclass(frozen=True, slots=True)
class Copy:
    """From a repository of one region to that of another. What is already there is left out."""

    source: Any
    source_repository: str
    target: Any
    target_repository: str

    def image(self, tag: str) -> None:
        """Copy a tagged image with all its platforms. The tag is put last, so it never names half an image."""
        self._manifest({"imageTag": tag}, tag)

    def _manifest(self, image: dict[str, str], tag: str) -> None:
        found = self.source.batch_get_image(
            repositoryName=self.source_repository, imageIds=[image], acceptedMediaTypes=[*_INDEXES, *_MANIFESTS]
        )["images"]
        if not found:
            raise Failed(f"image {self.source_repository}: {image} cannot be read")
        text = found[0]["imageManifest"]
        manifest = json.loads(text)
        for child in manifest.get("manifests", ()):
            self._manifest({"imageDigest": child["digest"]}, "")
        for blob in filter(None, (manifest.get("config"), *manifest.get("layers", ()))):
            self._blob(blob["digest"])
        request = {"imageManifest": text, "imageDigest": found[0]["imageId"]["imageDigest"]}
        if media_type := found[0].get("imageManifestMediaType") or manifest.get("mediaType"):
            request["imageManifestMediaType"] = media_type
        try:
            self.target.put_image(
                repositoryName=self.target_repository, **request, **({"imageTag": tag} if tag else {})
            )
        except ClientError as error:
            if error.response["Error"].get("Code") != "ImageAlreadyExistsException":
                raise

    def _blob(self, blob: str) -> None:
        there = self.target.batch_check_layer_availability(
            repositoryName=self.target_repository, layerDigests=[blob]
        ).get("layers", ())
        if any(one.get("layerAvailability") == "AVAILABLE" for one in there):
            return
        url = self.source.get_download_url_for_layer(repositoryName=self.source_repository, layerDigest=blob)
        begun = self.target.initiate_layer_upload(repositoryName=self.target_repository)
        upload, part_bytes = begun["uploadId"], int(begun.get("partSize") or _PART_BYTES)
        digest_of, position = hashlib.sha256(), 0
        with urllib.request.urlopen(url["downloadUrl"], timeout=_DOWNLOAD_SECONDS) as answer:  # noqa: S310 - of ECR
            while part := answer.read(part_bytes):
                digest_of.update(part)
                self.target.upload_layer_part(
                    repositoryName=self.target_repository,
                    uploadId=upload,
                    partFirstByte=position,
                    partLastByte=position + len(part) - 1,
                    layerPartBlob=part,
                )
                position += len(part)
        if f"sha256:{digest_of.hexdigest()}" != blob:
            raise Failed(f"image {self.source_repository}: {blob} came with other bytes: run again")
        self.target.complete_layer_upload(repositoryName=self.target_repository, uploadId=upload, layerDigests=[blob])
