"""The page in a real browser, at the width of a desk and of a phone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from tests.tools import program
from tests.worker.console.conftest import Served
from tests.worker.console.shop import LONG

DESK: Final = (1280, 900)
PHONE: Final = (390, 844)
PATIENCE_SECONDS: Final = 60
_READS_COLOURS: Final = """
const rgb = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
const light = (colour) => colour.slice(0, 3).map((c) => c / 255)
  .map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
  .reduce((sum, c, n) => sum + c * [0.2126, 0.7152, 0.0722][n], 0);
const ground = (at) => { for (; at; at = at.parentElement) { const c = rgb(getComputedStyle(at).backgroundColor);
  if (c.length === 3 || c[3] > 0) return c; } return [255, 255, 255]; };
const poor = [];
for (const at of document.querySelectorAll("main *, header *, footer")) {
  if (!at.checkVisibility() || ![...at.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
  const style = getComputedStyle(at);
  const ink = rgb(at instanceof SVGElement ? style.fill : style.color);
  const [a, b] = [light(ink), light(ground(at))].sort((x, y) => y - x);
  if ((a + 0.05) / (b + 0.05) < 4.5) poor.push(at.tagName + " " + at.textContent.slice(0, 30));
}
return poor;
"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = program("chromium", "chromium", "CHROMIUM")
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(program("chromedriver", "chromium-driver", "CHROMEDRIVER"))
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


class Page:
    """The console in a browser."""

    def __init__(self, driver: webdriver.Chrome, served: Served, size: tuple[int, int], scheme: str = "light") -> None:
        self.driver = driver
        width, height = size
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == PHONE}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        driver.get("about:blank")  # the page of the test before asks its console on, which has ended
        driver.get_log("browser")  # type: ignore[no-untyped-call]
        driver.get(served.door.url)
        self.until(lambda: self.text("#aggregate") and "Parked" in self.text("#figures"))

    def until(self, holds: Callable[[], Any]) -> None:
        WebDriverWait(self.driver, PATIENCE_SECONDS, 0.05).until(lambda _: holds())

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def press(self, selector: str) -> None:
        """Click the first one, found and clicked at once: the page may draw it anew at any time."""
        self.driver.execute_script("document.querySelector(arguments[0]).click()", selector)

    def text(self, selector: str) -> str:
        return "\n".join(
            self.driver.execute_script(
                "return [...document.querySelectorAll(arguments[0])].map((found) => found.textContent)", selector
            )
        )

    def view(self, name: str) -> None:
        (link,) = self.all(f"nav a[data-view='{name}']")
        link.click()
        self.until(lambda: self.all(f"#{name}")[0].is_displayed())

    def problems(self) -> list[str]:
        """What the browser has complained of: errors, and what the policy kept it from."""
        return [entry["message"] for entry in self.driver.get_log("browser")]  # type: ignore[no-untyped-call]

    def is_too_wide(self) -> bool:
        wide = "return document.documentElement.scrollWidth > document.documentElement.clientWidth"
        return bool(self.driver.execute_script(wide))


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_every_view_shows_what_there_is_and_fits_the_width(
    chromium: webdriver.Chrome, console: Served, size: tuple[int, int]
) -> None:
    console.shop.parked_entries |= {
        "total": 3,
        "records": [{"id": "f7", "table": None, "reason": "not_json", "detail": "no JSON", "parked_at": "2026-05-01"}],
        "documents": [
            {"id": "d1", "aggregate": "order", "key": "7", "reason": "/: total as integer: " + "x" * 300},
            {"id": "d2", "aggregate": "order", "reason": "/: status"},
        ],
    }
    console.sample(records=400)
    page = Page(chromium, console, size)
    assert page.text("#health") == "healthy"
    assert "shardId-000000000001" in page.text("#shards td")
    assert "1.5 s" in page.text("#figures dd")
    assert page.text("#complete td").count("UTC") == 1
    assert page.all("#throughput path.line")
    assert page.text("#parked-badge") == "3"
    assert not page.is_too_wide()

    page.view("parked")
    assert "not_json" in page.text("#parked-body td")
    assert not page.is_too_wide()
    assert "d2\norder\n/: status" in page.text("#parked-body td"), "without its key it has its ID"
    page.press("#parked-body a")

    page.until(lambda: page.all("#found pre"))
    assert f'"total": {LONG}' in page.text("#found pre")
    page.press("#found button")
    assert all(details.get_attribute("open") for details in page.all("#found details"))
    assert page.text("#found .place") == "order\ncustomer\nlines\nlines"
    assert not page.is_too_wide()
    assert page.problems() == []


def test_what_stands_in_the_data_is_text_and_never_runs(chromium: webdriver.Chrome, console: Served) -> None:
    page = Page(chromium, console, DESK)
    page.driver.get(f"http://127.0.0.1:{console.door.port}/#/document/order/7")
    page.until(lambda: page.all("#found pre"))
    page.press("#found button")
    assert "<script>" in page.text("#found td")
    assert page.driver.title == "nearview console"
    assert page.all("#found img, #found script") == []
    assert page.problems() == []


def test_a_form_finds_documents_by_the_columns_of_their_key(chromium: webdriver.Chrome, console: Served) -> None:
    page = Page(chromium, console, DESK)
    page.view("document")
    page.driver.find_element(By.CSS_SELECTOR, "#aggregate option[value='note']").click()
    book, number = page.all("#keys input")
    assert page.text("#keys label") == "book\npage"
    book.send_keys("red")
    number.send_keys("1")
    page.all("#find button")[0].click()
    page.until(lambda: "hello" in page.text("#found pre"))

    number.clear()
    number.send_keys("9")
    page.all("#find button")[0].click()
    page.until(lambda: "No such document is stored." in page.text("#found"))


def test_trouble_is_seen_and_ends(chromium: webdriver.Chrome, console: Served) -> None:
    page = Page(chromium, console, PHONE)
    console.health.append("shop.orders: set <b>BeforeImageSettings</b>")
    console.sample()
    page.until(lambda: page.text("#health") == "needs somebody")
    assert "set <b>BeforeImageSettings</b>" in page.text("#problems li")
    console.health.clear()
    console.sample()
    page.until(lambda: page.text("#health") == "healthy" and not page.text("#problems"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read_in_light_and_in_dark(chromium: webdriver.Chrome, console: Served, scheme: str) -> None:
    """At least 4.5 to 1 everywhere, as WCAG 2.2 AA asks."""
    console.health.append("shop.orders is parked")
    console.shop.parked_entries |= {"total": 1}
    console.sample(records=150)
    page = Page(chromium, console, DESK, scheme)
    dark = page.driver.execute_script("return matchMedia('(prefers-color-scheme: dark)').matches")
    assert dark == (scheme == "dark")
    assert page.driver.execute_script(_READS_COLOURS) == []
    page.driver.get(f"http://127.0.0.1:{console.door.port}/#/document/order/7")
    page.until(lambda: page.all("#found pre"))
    assert page.driver.execute_script(_READS_COLOURS) == []


def test_it_can_be_used_by_keyboard_and_is_named_for_readers(chromium: webdriver.Chrome, console: Served) -> None:
    page = Page(chromium, console, DESK)
    unnamed = page.driver.execute_script(
        "return [...document.querySelectorAll('a, button, input, select, svg, table, [role=region]')]"
        ".filter((at) => at.checkVisibility())"
        ".filter((at) => !(at.textContent.trim() || at.ariaLabel || at.labels?.length)).map((at) => at.outerHTML)"
    )
    assert unnamed == []
    assert page.all("html[lang]")
    assert page.all("nav a[aria-current='page']")[0].text == "Now"
    page.driver.execute_script("document.querySelector('.skip').focus()")
    assert page.driver.execute_script("return document.activeElement.getBoundingClientRect().left >= 0")
