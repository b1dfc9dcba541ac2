"""Answers as they travel."""

from __future__ import annotations

import base64
import gzip
import json
import random

import pytest

from api_lambdas.shared.encoding import MAX_PAYLOAD_BYTES, MIN_BYTES, encoded, takes_gzip
from api_lambdas.shared.http import Kind, Problem, Response

LARGE = json.dumps({"text": 'é"\\' * MIN_BYTES}, ensure_ascii=False)


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        (None, False),
        ("", False),
        ("gzip", True),
        ("GZIP", True),
        ("deflate, gzip;q=1.0", True),
        ("gzip;q=0.5, br", True),
        ("x-gzip", True),
        ("*", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("*;q=0", False),
        ("gzip;q=0, *", False),
        ("br", False),
        ("identity", False),
        (";;;", False),
    ],
)
def test_gzip_is_for_those_who_take_it(header: str | None, taken: bool) -> None:
    assert takes_gzip(header) == taken


def test_a_large_answer_travels_as_gzip() -> None:
    """The same text; the tag is weak, for it stands for other bytes than without."""
    sent = encoded(Response(200, LARGE, {"etag": '"1"', "content-type": "x"}), "gzip")

    assert gzip.decompress(base64.b64decode(sent.body)).decode() == LARGE
    assert sent.is_base64
    assert sent.headers == {"etag": 'W/"1"', "content-type": "x", "vary": "accept-encoding", "content-encoding": "gzip"}
    assert len(sent.body) < len(LARGE)


def test_the_same_answer_is_the_same_bytes() -> None:
    """No moment of packing is in them."""
    assert encoded(Response(200, LARGE), "gzip") == encoded(Response(200, LARGE), "gzip")


def test_who_takes_no_gzip_gets_text() -> None:
    sent = encoded(Response(200, LARGE, {"etag": '"1"'}), None)

    assert (sent.body, sent.is_base64) == (LARGE, False)
    assert sent.headers == {"etag": '"1"', "vary": "accept-encoding"}


def test_a_small_answer_stays_as_it_is() -> None:
    response = Response(200, "x" * (MIN_BYTES - 1), {"etag": '"1"'})

    assert encoded(response, "gzip") is response
    assert encoded(Response(200, "x" * MIN_BYTES), "gzip").is_base64


def test_a_tag_that_is_weak_stays_so() -> None:
    assert encoded(Response(200, LARGE, {"etag": 'W/"1"'}), "gzip").headers["etag"] == 'W/"1"'


def test_what_is_too_large_even_as_gzip_is_a_problem() -> None:
    """Text that hardly packs; as base64 it grows by a third again."""
    body = random.Random(1).randbytes(MAX_PAYLOAD_BYTES).hex()

    with pytest.raises(Problem) as caught:
        encoded(Response(200, body), "gzip")

    assert caught.value.kind is Kind.ANSWER_TOO_LARGE
    assert "gzip" not in caught.value.detail  # it is taken already


@pytest.mark.parametrize(("text", "times"), [("x", 1), ('"', 2), ("é", 2), ("\\", 2), ("😀", 4)])
def test_what_a_function_cannot_hand_over_is_a_problem(text: str, times: int) -> None:
    """Counted as the JSON string that the body becomes; as gzip it may still go."""
    fits = Response(200, text * (MAX_PAYLOAD_BYTES // times))
    too_large = Response(200, fits.body + text)

    assert encoded(fits, None).body == fits.body
    assert len(json.dumps(fits.body, ensure_ascii=False).encode()) <= MAX_PAYLOAD_BYTES + 2
    with pytest.raises(Problem) as caught:
        encoded(too_large, None)
    assert caught.value.kind is Kind.ANSWER_TOO_LARGE
    assert encoded(too_large, "gzip").is_base64
