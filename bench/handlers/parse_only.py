"""The limit of a Python program that only reads: orjson for the line, base64, orjson for the record, nothing else."""

from __future__ import annotations

import binascii

import orjson

from bench.handlers.loop import serve


def _parse(line: bytes) -> None:
    for record in orjson.loads(line)["records"]:
        orjson.loads(binascii.a2b_base64(record["data"]))


if __name__ == "__main__":
    serve(_parse)
