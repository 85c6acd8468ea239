"""Where shards are evaluated: one module per engine, each a function `parts` from shards to their files' bytes.

An engine decides who evaluates which shard and when, nothing else: it hands back whatever is ready, in any order.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import cast

from silmark.errors import BadValue, SilmarkError
from silmark.planning.sweep.table import Part
from silmark.planning.sweep.work import Work

_ENDPOINT = re.compile(r"(?:\w+://)?\[?([^/\[\]]+)\]?:(\d{1,5})")
_PATIENCE_S = 10.0
ENGINES = ("local", "ray", "dask")
_AHEAD = 2
"""Shards per worker that are handed out at a time: one to work on, one to go on with."""


@dataclass(frozen=True, slots=True)
class Workers:
    """Who works.

    Attributes:
        engine: one of ENGINES.
        count: processes on this machine, None for one per core; a cluster has its own.
        address: of a running Ray or Dask cluster; empty to start one here.
    """

    engine: str = "local"
    count: int | None = None
    address: str = ""

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise BadValue("engine", self.engine, ", ".join(ENGINES[:-1]) + f" or {ENGINES[-1]}")
        if self.count is not None and not 1 <= self.count <= 10_000:
            raise BadValue("workers", self.count, "a whole number from 1 to 10,000")
        if self.address and self.engine == "local":
            raise BadValue("address", self.address, "nothing: local needs no cluster; choose --engine ray or dask")
        if self.address and self.count is not None:
            raise BadValue("workers", self.count, "nothing: the cluster at --address has its own")


Parts = Callable[[Work, Sequence[int], Workers], Generator[Part]]


def parts(work: Work, shards: Sequence[int], workers: Workers) -> Generator[Part]:
    """Evaluated shards, in the order in which they are ready; raises MissingExtra."""
    module = import_module(f"{__name__}.{workers.engine}")
    return cast("Parts", module.parts)(work, shards, workers)


def reach(address: str, what: str) -> None:
    """Raises BadValue unless somebody listens at `[scheme://]host:port`; clusters' own clients try for minutes.

    Args:
        address: anything else, such as `auto`, is the client's to judge.
        what: whom one expects there.
    """
    named = _ENDPOINT.fullmatch(address)
    if named is None:
        return
    try:
        socket.create_connection((named[1], int(named[2])), _PATIENCE_S).close()
    except (OSError, OverflowError, UnicodeError) as error:
        raise BadValue("address", address, f"{what} ({error})") from None


def lost(why: object) -> SilmarkError:
    """What is raised when workers die again and again; the folder keeps what is done."""
    return SilmarkError(
        f"workers died, perhaps for want of memory ({str(why).partition(chr(10))[0]}); "
        "what is done is kept, and the same command goes on from there"
    )


def ahead(workers: int) -> int:
    """How many shards are handed out at a time, so that results wait for nobody and fill no memory."""
    return _AHEAD * max(1, workers)
