"""All fuzz targets by name, and how many bytes of an input choose settings."""

from __future__ import annotations

from typing import Final

from tests.fuzz import api, dms, init, mappings, pgoutput, projection, records, values
from tests.fuzz.parts import Target

_MODULES: Final = (records, mappings, projection, values, dms, api, init, pgoutput)
TARGETS: Final[dict[str, Target]] = {module.TARGET.name: module.TARGET for module in _MODULES}
HEADS: Final = {module.TARGET.name: module.HEAD_BYTES for module in _MODULES}
