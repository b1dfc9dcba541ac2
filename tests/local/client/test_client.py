"""The example's page in a browser, over the real functions: what is listed, changed, refused, lost; when it arrives."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from click.testing import CliRunner
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from contract.keys import document_pk
from contract.values import to_item
from local.cli import local
from local.client.server import Server
from tests.api_lambdas.monolith_double import lose_reply, lose_request, reply
from tests.api_lambdas.running import Running, running
from tests.browser import DESKTOP, PHONE, WAIT_SECONDS, browser, complaints, requested, too_wide

__all__ = ["running"]

MORE = 12
"""Orders of one status: more than a page of the list."""


@dataclass
class Shop:
    """The API with some orders in it, whose documents and marks the test moves on."""

    running: Running
    url: str

    def put(self, number: int, status: str, note: str | None, **more: Any) -> None:
        (order,) = (aggregate for aggregate in self.running.mapping.aggregates if aggregate.name == "order")
        body = {
            "order_id": number,
            "customer_id": 7,
            "status": status,
            "placed_at": f"2026-03-{number % 28 + 1:02d}T10:00:00Z",
            "note": note,
            "total": 129,
            "customer": {"customer_id": 7, "name": "Ada Lovelace"},
            "lines": [{"line_no": 1, "quantity": 2, "unit_price": 64, "product": {"sku": "A-1", "title": "A lamp"}}],
            "payments": [],
        }
        self.running.tables.put_document(order, (number,), body, **more)

    def mark(self, position: int) -> None:
        """All tables are complete up to there."""
        for table in self.running.mapping.tables:
            place = {"position": f"{position:032x}", "order": "postgresql", "since": 0, "region": "eu-west-1"}
            micros = int((time.time() + 3600) * 1e6)  # however long the test takes
            mark = {"pk": document_pk("~complete", table), "sk": "#", "commit_micros": micros, **place}
            self.running.tables.client.put_item(TableName=self.running.tables.documents, Item=to_item(mark))


@pytest.fixture(scope="module")
def shop(running: Running) -> Iterator[Shop]:
    server = Server(0, running.url)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    found = Shop(running, server.url)
    for number in range(501, 501 + MORE):
        found.put(number, "shipped", "as it was")
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser(DESKTOP) as driver:
        yield driver


class Page:
    """The page, opened anew."""

    def __init__(self, driver: Any, shop: Shop, size: tuple[int, int] = DESKTOP, scheme: str = "light") -> None:
        self.driver = driver
        emulated = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size == PHONE}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", emulated)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        requested(driver)
        complaints(driver)
        driver.get(shop.url)
        self.until(lambda: driver.execute_script("return document.body.dataset.ready") == "true")

    def until(self, true: Callable[[], Any]) -> None:
        WebDriverWait(self.driver, WAIT_SECONDS, 0.05).until(lambda _: true())

    def one(self, selector: str) -> Any:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        return "\n".join(found.text for found in self.driver.find_elements(By.CSS_SELECTOR, selector))

    def status(self, status: str) -> None:
        self.one("#status").send_keys(status)
        self.one("#filter button").click()

    def open(self, number: int) -> None:
        self.until(lambda: self.driver.find_elements(By.CSS_SELECTOR, f'[data-order="{number}"]'))
        self.one(f'[data-order="{number}"]').click()
        self.until(lambda: self.one("#body").is_displayed() and self.text("#title") == f"Order {number}")

    def note(self, text: str) -> None:
        self.one("#note").clear()
        self.one("#note").send_keys(text)
        self.one("#note-form button").click()

    def says(self, text: str) -> None:
        self.until(lambda: text in self.text("#command-problem"))


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_orders_are_listed_and_opened(shop: Shop, chromium: Any, size: tuple[int, int]) -> None:
    """In pages, the newest first; it fits the window, asks its own origin only, and nothing complains."""
    page = Page(chromium, shop, size)
    page.status("shipped")
    page.until(lambda: "10 shown" in page.text("#count"))
    assert "Ada Lovelace" in page.text("#list")
    page.one("#more").click()
    page.until(lambda: f"{MORE} shown" in page.text("#count"))
    assert not page.one("#more").is_displayed()

    page.open(505)

    assert "A lamp" in page.text("#lines")
    assert "as it was" in page.text("#facts")
    assert page.one("#orders").is_displayed() is (size == DESKTOP)
    assert not too_wide(chromium)
    if size == PHONE:
        page.one("#back").click()
        page.until(lambda: page.one("#orders").is_displayed())
    assert {url for url in requested(chromium) if url.startswith("http") and not url.startswith(shop.url)} == set()
    assert complaints(chromium) == []


def test_a_change_is_sent_and_arrives(shop: Shop, chromium: Any) -> None:
    """While the documents are behind it says so; when they have it, the new state is shown and marked."""
    shop.mark(0)
    page = Page(chromium, shop)
    page.status("shipped")
    page.open(502)
    seen = len(shop.running.monolith.received)

    page.note("please ring twice")

    page.until(lambda: "Not here yet" in page.text("#steps") and "less than a second behind" in page.text("#steps"))
    assert page.text("#command-problem") == ""
    (sent,) = shop.running.monolith.received[seen:]
    assert (sent.path, sent.body) == ("/base/orders/502/change", {"note": "please ring twice"})
    assert sent.key in page.text("#steps")
    shop.put(502, "shipped", "please ring twice", _rev=2)
    shop.mark(2**40)
    page.says("The change has arrived.")
    assert "after it was executed" in page.text("#steps")
    assert page.text("#facts .changed") == "please ring twice"


def test_an_order_is_cancelled_with_the_keyboard_alone(shop: Shop, chromium: Any) -> None:
    """Every control is reached by Tab, in order; where the focus goes is seen."""
    shop.mark(2**40)
    shop.put(601, "paid", None)
    page = Page(chromium, shop)
    page.one("#status").send_keys("paid")
    active = chromium.switch_to
    active.active_element.send_keys(Keys.TAB, Keys.TAB)
    assert active.active_element.text == "Show"
    active.active_element.send_keys(Keys.ENTER)
    page.until(lambda: page.driver.find_elements(By.CSS_SELECTOR, '[data-order="601"]'))
    active.active_element.send_keys(Keys.TAB)
    while active.active_element.get_attribute("data-order") != "601":
        active.active_element.send_keys(Keys.TAB)
    active.active_element.send_keys(Keys.ENTER)
    page.until(lambda: active.active_element.get_attribute("id") == "title")
    while active.active_element.get_attribute("id") != "cancel":
        active.active_element.send_keys(Keys.TAB)
    outline = chromium.execute_script("return getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    shop.put(601, "cancelled", None, _rev=2)

    active.active_element.send_keys(Keys.ENTER)

    page.says("The change has arrived.")
    assert page.text("#state") == "cancelled"
    assert not page.one("#cancel").is_enabled()


def test_what_goes_wrong_is_said_with_what_to_do(shop: Shop, chromium: Any) -> None:
    """Refused; not known, and repeated with the same key; the monolith busy; a key in use."""
    shop.mark(2**40)
    page = Page(chromium, shop)
    page.status("shipped")
    page.open(503)
    monolith = shop.running.monolith

    refusal = json.dumps({"title": "Not possible", "detail": "order 503 is shipped", "status": 409}).encode()
    monolith.faults.append(reply(409, "application/problem+json", refusal))
    page.note("late")
    page.says("Refused (409): nothing was changed. Not possible: order 503 is shipped")

    monolith.faults.append(lose_reply)
    page.note("lost")
    page.says("The outcome is not known yet. Sent again with the same key it has one effect at most.")
    first = monolith.received[-1].key
    executions = monolith.executions
    page.one("#command-problem button").click()
    page.says("The change has arrived.")
    assert (monolith.received[-1].key, monolith.executions) == (first, executions)

    monolith.faults.append(lose_request)
    page.note("lost before")
    page.says("The outcome is not known yet.")

    page.note("x" * 100)
    page.says("The change has arrived.")
    assert monolith.received[-1].key != first


def test_an_api_that_is_not_there_is_said_so(shop: Shop, chromium: Any) -> None:
    """The list, with a way to try again."""
    server = Server(0, "http://127.0.0.1:9")
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    page = Page(chromium, Shop(shop.running, server.url))

    assert "The orders cannot be read. Bad Gateway: the API at 127.0.0.1:9 gave no answer" in page.text("#list-problem")
    assert page.one("#list-problem button").text == "Try again"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_can_be_read(shop: Shop, chromium: Any, scheme: str) -> None:
    """Text stands out from its ground, 4.5 to 1."""
    shop.mark(2**40)
    page = Page(chromium, shop, PHONE, scheme)
    page.status("shipped")
    page.open(510)
    page.note("seen")
    page.says("The change has arrived.")

    assert chromium.execute_script(READS_COLOURS) == []
    assert not too_wide(chromium)


READS_COLOURS = """
const rgb = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
const light = (colour) => colour.slice(0, 3).map((c) => c / 255)
  .map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
  .reduce((sum, c, n) => sum + c * [0.2126, 0.7152, 0.0722][n], 0);
const ground = (at) => { for (; at; at = at.parentElement) { const c = rgb(getComputedStyle(at).backgroundColor);
  if (c.length === 3 || c[3] > 0) return c; } return [255, 255, 255]; };
const poor = [];
for (const at of document.querySelectorAll("main *, header *")) {
  if (!at.checkVisibility() || at.disabled) continue;
  if (![...at.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
  const [a, b] = [light(rgb(getComputedStyle(at).color)), light(ground(at))].sort((x, y) => y - x);
  if ((a + 0.05) / (b + 0.05) < 4.5) poor.push(at.tagName + " " + at.textContent.slice(0, 30));
}
return poor;
"""


def sent(url: str, headers: dict[str, str], data: bytes | None = None) -> int:
    request = urllib.request.Request(url, data, headers)  # noqa: S310  our own address
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20) as found:
            return int(found.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_other_sites_pages_cannot_use_it(shop: Shop) -> None:
    """Not under another name that leads to this machine, not from another page; and it is no way to other places."""
    assert sent(shop.url, {}) == 200
    assert sent(f"{shop.url}api/orders/501", {"Sec-Fetch-Site": "same-origin"}) == 200
    assert sent(shop.url, {"Host": "evil.example"}) == 403
    for site in ("cross-site", "same-site"):
        assert sent(f"{shop.url}api/orders/501", {"Sec-Fetch-Site": site}) == 403
        assert sent(f"{shop.url}api/commands/cancel-order", {"Sec-Fetch-Site": site}, b"{}") == 403
    assert sent(f"{shop.url}elsewhere", {}) == 404
    assert sent(f"{shop.url}elsewhere", {}, b"{}") == 400
    assert sent(f"{shop.url}api/commands/cancel-order", {}, b"x" * 70_000) == 400


@pytest.mark.parametrize("api", ["nothing", "ftp://host", "http://host:port", "http://host?x"])
def test_a_wrong_address_is_one_line(api: str) -> None:
    found = CliRunner().invoke(local, ["client", "--api", api])

    assert (found.exit_code, found.output.splitlines()[-1].startswith("Error: --api takes an address")) == (2, True)


def test_a_port_that_is_taken_and_a_stack_that_is_not_up_are_one_line(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("NEARVIEW_LOCAL_DIR", str(tmp_path))
    port = shop.url.rstrip("/").rpartition(":")[2]

    taken = CliRunner().invoke(local, ["client", "--api", "http://127.0.0.1:9", "--port", port])
    none = CliRunner().invoke(local, ["client"])

    assert taken.output == f"Error: --port: 127.0.0.1:{port} cannot be served: Address already in use\n"
    assert none.output == "Error: no local stack runs; start one with `nearview local up`\n"
