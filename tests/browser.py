"""A headless Chromium for tests of pages: Debian's browser and driver, and whatever page a test serves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

from tests.tools import program

DESKTOP: Final = (1280, 900)
PHONE: Final = (390, 844)
WAIT_SECONDS: Final = 20


@contextmanager
def browser(size: tuple[int, int] = DESKTOP) -> Iterator[webdriver.Chrome]:
    """A browser of its own, ended with the test; its console and every request it sends are recorded."""
    options = Options()
    options.binary_location = program("chromium", "chromium", "TEST_CHROMIUM")
    for argument in (
        *("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-proxy-server"),
        *("--disable-background-networking", "--disable-component-update", "--no-first-run"),
        f"--window-size={size[0]},{size[1]}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, Service(program("chromedriver", "chromium-driver", "TEST_CHROMEDRIVER")))
    try:
        driver.set_page_load_timeout(WAIT_SECONDS)
        emulated = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size == PHONE}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", emulated)
        yield driver
    finally:
        driver.quit()


def requested(driver: webdriver.Chrome) -> list[str]:
    """The URLs asked for since the last call."""
    events = [json.loads(entry["message"])["message"] for entry in _log(driver, "performance")]
    sent = [event for event in events if event["method"] == "Network.requestWillBeSent"]
    return [str(event["params"]["request"]["url"]) for event in sent]


def complaints(driver: webdriver.Chrome) -> list[str]:
    """What the browser has written into its console as warning or error since the last call."""
    return [str(entry["message"]) for entry in _log(driver, "browser") if entry["level"] in ("WARNING", "SEVERE")]


def too_wide(driver: webdriver.Chrome) -> bool:
    """Whether the page has to be moved sideways to be read."""
    wide: bool = driver.execute_script(
        "return document.documentElement.scrollWidth > document.documentElement.clientWidth"
    )
    return wide


def _log(driver: Any, kind: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = driver.get_log(kind)
    return entries
