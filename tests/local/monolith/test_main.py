"""python -m local.monolith: made, served and kept busy as processes of their own."""

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from contextlib import closing
from typing import Any

import psycopg2

from local.processes import REPOSITORY, free_port, wait_until

Query = Callable[..., list[Any]]


def start(*arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "local.monolith", *arguments]
    return subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(*arguments: str) -> tuple[int, str, str]:
    with start(*arguments) as process:
        stdout, stderr = process.communicate(timeout=60)
        return process.returncode, stdout, stderr


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def test_init_makes_a_shop_once_and_says_what_is_in_it(new_database: Callable[..., str]) -> None:
    url = new_database()

    status, stdout, _ = run("init", "--database-url", url, "--orders", "20")
    again = run("init", "--database-url", url, "--orders", "20")

    assert status == 0
    assert json.loads(stdout)["orders"] == 20
    assert again[0] == 1
    assert again[2] == "Error: the database has a schema shop or ops already; use an empty database\n"


def test_serve_finishes_the_command_in_progress_when_told_to_stop(module_shop: str, query: Query) -> None:
    port = free_port()
    with start("serve", "--database-url", module_shop, "--port", str(port)) as process:
        wait_until(lambda: answers(port), 30, "the service answers")
        with closing(psycopg2.connect(module_shop)) as holder, holder.cursor() as cursor:
            cursor.execute("SELECT 1 FROM shop.products WHERE sku = '42' FOR UPDATE")
            request = f"http://127.0.0.1:{port}/products/42/rename"
            with subprocess.Popen([sys.executable, "-c", POST, request], stdout=subprocess.PIPE, text=True) as client:
                wait_until(lambda: waiting(query), 30, "the command waits for the row")
                process.send_signal(signal.SIGTERM)
                holder.rollback()
                answer, _ = client.communicate(timeout=30)
        process.communicate(timeout=30)

    assert process.returncode == 0
    assert json.loads(answer)["sku"] == "42"
    assert query("SELECT title FROM shop.products WHERE sku = '42'") == [("in time",)]


def test_serve_on_a_port_in_use_is_one_line(module_shop: str) -> None:
    port = free_port()
    with start("serve", "--database-url", module_shop, "--port", str(port)) as first:
        wait_until(lambda: answers(port), 30, "the service answers")

        status, _, stderr = run("serve", "--database-url", module_shop, "--port", str(port))

        first.terminate()
        first.communicate(timeout=30)
    assert status == 1
    assert stderr.startswith(f"Error: cannot listen on 127.0.0.1:{port}: ")
    assert stderr.count("\n") == 1


def test_a_workload_stopped_by_a_signal_prints_what_it_did(module_shop: str, query: Query) -> None:
    before = query("SELECT count(*) FROM shop.orders")
    arguments = ("workload", "--database-url", module_shop, "--rate", "200", "--seed", "3", "--writers", "2")
    with start(*arguments) as process:
        wait_until(lambda: query("SELECT count(*) FROM shop.orders") != before, 30, "something is done")
        process.terminate()
        stdout, stderr = process.communicate(timeout=30)

    assert (process.returncode, stderr) == (0, "")
    assert json.loads(stdout)["committed"] > 0
    assert stdout.count("\n") == 1


def test_a_database_that_is_not_there_is_one_line() -> None:
    url = f"postgresql://nobody@127.0.0.1:{free_port()}/shop"

    status, _, stderr = run("workload", "--database-url", url, "--transactions", "1")

    assert status == 1
    assert stderr.startswith("Error: the database does not work: ")
    assert stderr.count("\n") == 1


def waiting(query: Query) -> bool:
    return bool(
        query("SELECT 1 FROM pg_stat_activity WHERE application_name = 'monolith' AND wait_event_type = 'Lock'")
    )


POST = """
import sys, urllib.request
request = urllib.request.Request(sys.argv[1], b'{"title": "in time"}', method="POST")
print(urllib.request.urlopen(request, timeout=30).read().decode())
"""
