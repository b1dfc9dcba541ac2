"""The example's page in a browser, over the real functions: what is listed, changed, refused, lost; when it arrives."""

from __future__ import annotations

import json
import os
import re
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from api_lambdas import command
from api_lambdas.commands import composed
from contract import regions
from contract.keys import document_pk
from contract.regions import NO_END, Override, Primary, State
from contract.values import to_item
from local.cli import local
from local.client.server import Server
from local.ministack import MiniStack
from tests.api_lambdas.monolith_double import answer, lose_reply, lose_request, reply
from tests.api_lambdas.running import Running, running
from tests.browser import DESKTOP, PHONE, WAIT_SECONDS, browser, complaints, requested, too_wide
from tests.tables import create_keyed_table

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

    def sees(self, selector: str) -> None:
        """It is in the window, without scrolling."""
        seen = """const box = document.querySelector(arguments[0]).getBoundingClientRect();
        return box.height > 0 && box.top >= 0 && box.bottom <= innerHeight"""
        assert self.driver.execute_script(seen, selector), selector

    def says(self, text: str) -> None:
        self.until(lambda: text in self.text("#command-problem"))


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_orders_are_listed_and_opened(shop: Shop, chromium: Any, size: tuple[int, int]) -> None:
    """In pages, the newest first; it fits the window, asks its own origin only, and nothing complains."""
    page = Page(chromium, shop, size)
    page.status("cancelled")
    page.until(lambda: "No orders here" in page.text("#count"))
    page.status("shipped")
    page.until(lambda: "10 shown" in page.text("#count"))
    assert "Ada Lovelace" in page.text("#list")
    page.one("#more").click()
    page.until(lambda: f"{MORE} shown" in page.text("#count"))
    assert not page.one("#more").is_displayed()

    page.open(505)

    assert "A lamp" in page.text("#lines")
    assert "as it was" in page.text("#facts")
    assert "129.00" in page.text("#facts")
    assert "64.00" in page.text("#lines")
    assert re.search(r"Shows every change up to .+ ago|not known", page.text("#fresh"))
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
    assert page.text('[data-order="601"] .soft').startswith("cancelled · Ada Lovelace"), "in the list as well"
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


@contextmanager
def composed_anew(shop: Shop, **settings: str) -> Iterator[None]:
    """The command function with other settings, for a while."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(composed, "DynamoDB", shop.running.tables.watched)
        for name, value in settings.items():
            patch.setenv(name, value)
        command._composed.cache_clear()
        yield
    command._composed.cache_clear()


@pytest.fixture
def fenced(shop: Shop, ministack: MiniStack) -> Iterator[Callable[[State], None]]:
    """A table of regions in which a person says how this region, the primary, stands."""
    client, table = ministack.client("dynamodb"), f"client-regions-{uuid.uuid4().hex[:8]}"
    create_keyed_table(client, table)
    region = ministack.environment()["AWS_REGION"]
    client.update_item(**regions.primary_write(table, Primary(region, 1, "http://127.0.0.1:9"), now=1))

    def say(state: State) -> None:
        client.update_item(**regions.operator_write(table, region, Override(state, 1, NO_END, "", ""), now=1))

    with composed_anew(shop, REGIONS_TABLE=table, REGIONS_CACHE_SECONDS="0"):
        yield say
    client.delete_table(TableName=table)


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_while_commands_are_closed_orders_can_be_read_and_it_says_why_and_when_to_come_again(
    shop: Shop, chromium: Any, fenced: Callable[[State], None], size: tuple[int, int]
) -> None:
    """An operator closes the region in its table; the same key is sent when it is open again."""
    shop.mark(2**40)
    fenced(State.FENCED)
    page = Page(chromium, shop, size)
    page.status("shipped")
    page.open(506)
    seen = len(shop.running.monolith.received)

    page.note("while closed")

    page.says("Commands are closed (fenced), reading goes on: this region takes no commands")
    page.says("it was closed by an operator; this request executed nothing")
    again = page.one("#command-problem button")
    assert not again.is_enabled()
    assert re.fullmatch(r"Send it again with the same key in [1-5] s", again.text)
    assert not too_wide(chromium)
    page.sees("#command-problem")
    assert shop.running.monolith.received[seen:] == []
    key = page.text("#steps").rpartition(" ")[2]
    if size == PHONE:
        page.one("#back").click()
    page.open(507)
    assert page.text("#command-problem") == ""
    page.note("while closed")
    page.says("Commands are closed")
    assert page.text("#steps").rpartition(" ")[2] != key
    fenced(State.ACTIVE)
    page.until(page.one("#command-problem button").is_enabled)
    page.one("#command-problem button").click()
    page.says("The change has arrived.")
    assert len({one.key for one in shop.running.monolith.received[seen:]}) == 1


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_command_that_takes_long_is_followed_until_it_has_ended(
    shop: Shop, chromium: Any, size: tuple[int, int], tmp_path: Path
) -> None:
    """202 with a status: being executed, then executed, or refused."""
    shop.mark(2**40)
    slow = tmp_path / "slow.json"
    asked = {"lookup": "/done/{idempotency_key}", "answer_within_seconds": 0.2}
    slow.write_text(
        json.dumps([{**one, **asked} for one in json.loads(Path(os.environ["COMMANDS_FILE"]).read_text("utf-8"))])
    )
    monolith, ended = shop.running.monolith, threading.Event()

    def goes_on(handler: Any) -> None:
        monolith.execute(handler.key)
        ended.wait(WAIT_SECONDS)
        handler.hang_up()

    executed = json.dumps({"order_id": 508, "commit_position": "0/1"}).encode()
    refused = json.dumps({"title": "Not possible", "detail": "order 508 is shipped"}).encode()
    with composed_anew(shop, COMMANDS_FILE=str(slow)):
        page = Page(chromium, shop, size)
        page.status("shipped")
        page.open(508)
        monolith.faults.append(goes_on)
        monolith.lookups.extend([(202, b"{}"), (202, b"{}"), (201, executed)])
        page.note("takes long")
        page.until(lambda: "Accepted, and not yet done" in page.text("#steps"))
        page.until(lambda: "Still being executed" in page.text("#steps"))
        assert not page.one("#note-form button").is_enabled()
        assert not too_wide(chromium)
        page.says("The change has arrived.")
        assert len(monolith.lookups) == 0
        assert "Executed after" in page.text("#steps")

        monolith.faults.append(goes_on)
        monolith.lookups.append((409, refused))
        page.note("takes long and fails")
        page.says("Refused (409): nothing was changed. Not possible: order 508 is shipped")
    ended.set()


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_key_that_is_in_progress_is_repeated_until_its_answer_is_there(
    shop: Shop, chromium: Any, size: tuple[int, int]
) -> None:
    """Somebody else sends the same key: 409 at first, and then the one answer."""
    shop.mark(2**40)
    page = Page(chromium, shop, size)
    page.status("shipped")
    page.open(509)
    key = str(uuid.uuid4())
    chromium.execute_script(f"crypto.randomUUID = () => '{key}'")
    monolith, held, goes_on = shop.running.monolith, threading.Event(), threading.Event()

    def hold(handler: Any) -> None:
        held.set()
        goes_on.wait(WAIT_SECONDS)
        answer(handler)

    monolith.faults.append(hold)
    headers = {"Content-Type": "application/json", "Idempotency-Key": key}
    body = json.dumps({"order_id": 509, "note": "twice"}).encode()
    first = threading.Thread(
        target=sent, args=(f"{shop.running.url}/commands/change-order", headers, body), daemon=True
    )
    first.start()
    assert held.wait(WAIT_SECONDS)
    executions = monolith.executions

    page.note("twice")

    page.until(lambda: "It is being executed already; asked again after" in page.text("#steps"))
    assert not too_wide(chromium)
    goes_on.set()
    first.join()
    page.says("The change has arrived.")
    assert "as the answer to an earlier request with this key says" in page.text("#steps")
    assert monolith.executions == executions + 1


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
