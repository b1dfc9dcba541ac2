"""The page that shows the description of the API, in a browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.api_lambdas.running import MANY_DIGITS, Running
from tests.browser import DESKTOP, PHONE, WAIT_SECONDS, browser, complaints, requested, too_wide


@pytest.fixture(scope="module")
def page(running: Running) -> Iterator[Any]:
    with browser(DESKTOP) as driver:
        yield driver


def opened(driver: Any, running: Running, size: tuple[int, int] = DESKTOP) -> Any:
    emulated = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size == PHONE}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", emulated)
    requested(driver)
    complaints(driver)
    driver.get(f"{running.url}/openapi.html")
    until(driver, lambda: driver.execute_script("return document.body.dataset.ready") == "true")
    return driver


def until(driver: Any, true: Any) -> None:
    WebDriverWait(driver, WAIT_SECONDS).until(lambda _: true())


def operation(driver: Any, name: str) -> Any:
    return driver.find_element(By.ID, name)


def opened_part(driver: Any, article: Any, title: str) -> Any:
    """The part with this title, unfolded."""
    (part,) = (
        p for p in article.find_elements(By.XPATH, "./details") if p.find_element(By.XPATH, "./summary").text == title
    )
    driver.execute_script("arguments[0].open = true", part)
    return part


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_every_route_is_on_the_page(running: Running, page: Any, size: tuple[int, int]) -> None:
    """With a request to copy that names this API; it fits the window, and nothing complains."""
    driver = opened(page, running, size)

    for path, item in running.document["paths"].items():
        for verb, described in item.items():
            article = operation(driver, described["operationId"])
            assert article.find_element(By.TAG_NAME, "h3").text.split() == [verb.upper(), path]
            assert all(
                f'curl "{running.url}/' in sample.text for sample in article.find_elements(By.CSS_SELECTOR, ".sample")
            )
    assert not too_wide(driver)
    assert complaints(driver) == []


def test_the_page_asks_its_own_api_and_nobody_else(running: Running, page: Any) -> None:
    """And its policy would let nothing else through."""
    driver = opened(page, running)
    asked = {url for url in requested(driver) if url.startswith("http")}

    assert {f"{running.url}/openapi.html", f"{running.url}/openapi.json"} <= asked
    assert [url for url in asked if not url.startswith(running.url)] == []
    blocked = driver.execute_async_script(
        "const done = arguments[0]; fetch('http://localhost:1/').then(() => done('sent'), () => done('refused'));"
    )
    assert blocked == "refused"
    assert any("Content Security Policy" in line for line in complaints(driver))


def test_a_request_is_sent_from_the_page(running: Running, page: Any) -> None:
    """The example's document is there, with all digits of its numbers; another key is told not to be."""
    driver = opened(page, running)
    article = operation(driver, "get-order")
    part = opened_part(driver, article, "Try it")

    part.find_element(By.TAG_NAME, "button").click()
    until(driver, lambda: part.find_elements(By.CSS_SELECTOR, "pre[aria-label=Answer]"))
    shown = part.find_element(By.CSS_SELECTOR, "pre[aria-label=Answer]").text
    assert part.find_element(By.CSS_SELECTOR, ".good").text.startswith(f"200 {running.url}/orders/17")
    assert json.loads(shown)["order_id"] == 17

    parameters = opened_part(driver, article, "Parameters")
    key = parameters.find_element(By.CSS_SELECTOR, "input[aria-label=key]")
    key.clear()
    key.send_keys("digits")
    part.find_element(By.TAG_NAME, "button").click()
    until(driver, lambda: f'"total": {MANY_DIGITS}' in part.text)

    key.clear()
    key.send_keys("no/such key")
    part.find_element(By.TAG_NAME, "button").click()
    until(driver, lambda: part.find_elements(By.CSS_SELECTOR, ".bad"))
    assert part.find_element(By.CSS_SELECTOR, ".bad").text.startswith("404 ")


def test_several_keys_and_fields_are_sent_from_the_page(running: Running, page: Any) -> None:
    driver = opened(page, running)
    article = operation(driver, "list-orders")
    parameters = opened_part(driver, article, "Parameters")
    parameters.find_element(By.CSS_SELECTOR, "input[aria-label=key]").send_keys("17,none")
    parameters.find_element(By.CSS_SELECTOR, "input[aria-label=fields]").send_keys("order_id,lines.quantity")
    part = opened_part(driver, article, "Try it")

    part.find_element(By.TAG_NAME, "button").click()
    until(driver, lambda: part.find_elements(By.CSS_SELECTOR, "pre[aria-label=Answer]"))

    items = json.loads(part.find_element(By.CSS_SELECTOR, "pre[aria-label=Answer]").text)["items"]
    assert (set(items[0]), items[1]) == ({"order_id", "lines"}, None)


def test_a_command_is_sent_from_the_page(running: Running, page: Any) -> None:
    """Its body is the example's, its key is made up."""
    driver = opened(page, running)
    article = operation(driver, "place-order")
    part = opened_part(driver, article, "Try it")

    part.find_element(By.TAG_NAME, "button").click()
    until(driver, lambda: part.find_elements(By.CSS_SELECTOR, "pre[aria-label=Answer]"))

    assert part.find_element(By.CSS_SELECTOR, ".good").text.startswith("201 ")
    assert "order_id" in json.loads(part.find_element(By.CSS_SELECTOR, "pre[aria-label=Answer]").text)


def test_a_request_can_be_copied(running: Running, page: Any) -> None:
    driver = opened(page, running)
    sample = operation(driver, "get-order").find_element(By.CSS_SELECTOR, ".sample")

    button = sample.find_element(By.TAG_NAME, "button")
    button.click()

    until(driver, lambda: button.text == "Copied")
    assert sample.find_element(By.TAG_NAME, "code").text == f'curl "{running.url}/orders/17"'
