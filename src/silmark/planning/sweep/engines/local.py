"""Processes of this machine; one of them is this one."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import connection

from silmark.planning.sweep.engines import Workers, ahead, lost
from silmark.planning.sweep.table import Part, make
from silmark.planning.sweep.work import Work, package_digest

_held: list[Work] = []
"""In a worker: the sweep, sent once instead of with every shard."""


def parts(work: Work, shards: Sequence[int], workers: Workers) -> Generator[Part]:
    """Evaluates shards here, or in a pool where more than one process is of use."""
    count = min(workers.count or cores(), len(shards))
    if count <= 1:
        return (make(work, shard, package_digest()) for shard in shards)
    return _pooled(work, shards, count)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _pooled(work: Work, shards: Sequence[int], count: int) -> Generator[Part]:
    # Spawned, not forked: the parent has threads (progress, Arrow) whose locks a fork would copy.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_begin, initargs=(work,))
    left = iter(shards)
    package = package_digest()
    try:
        running: set[Future[Part]] = {pool.submit(_one, shard, package) for shard in islice(left, ahead(count))}
        while running:
            ready, running = wait(running, return_when=FIRST_COMPLETED)
            running |= {pool.submit(_one, shard, package) for shard in islice(left, len(ready))}
            for future in ready:
                yield future.result()
    except BrokenProcessPool as error:
        raise lost(error) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(work: Work) -> None:
    """Prepares a worker: Ctrl-C is the parent's to handle, and a parent that is killed takes its workers along."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _held.append(work)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _one(shard: int, package: str) -> Part:
    return make(_held[-1], shard, package)
