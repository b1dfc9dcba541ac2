"""What of the templates cannot be deployed here is listed with the reason."""

from __future__ import annotations

from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS

from local import deployed, partial, templates


def used_types() -> set[str]:
    files = templates.FOLDER.glob("[0-9]*.yaml")
    return {body["Type"] for path in files for body in templates.load(path)["Resources"].values()}


def test_what_cannot_be_deployed_here_is_listed_and_nothing_else() -> None:
    """A type that is in neither list would be deployed without anybody looking; one in both could be, and is not."""
    assert set(partial.not_deployed()) == used_types() - set(_RESOURCE_HANDLERS)
    assert used_types() <= set(partial.not_deployed()) | set(deployed.CHECKS)
    assert all(reason for reason in partial.not_deployed().values())
