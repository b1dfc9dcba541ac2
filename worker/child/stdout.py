"""Standard output is the protocol's alone; imports nothing, so that it can run before anything that prints."""

import os
from typing import BinaryIO


def take_stdout() -> BinaryIO:
    """The protocol's output. From here on whatever prints to standard output writes to standard error instead.

    A stray line could be taken for an answer of this process, and 64 KiB of them would block it.
    """
    protocol = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(protocol, "wb")
