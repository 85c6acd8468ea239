"""A Dask cluster: the one at an address, or one started on this machine; needs silmark[dask] wherever it works."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

from silmark.errors import BadValue, MissingExtra
from silmark.planning.sweep.engines import Workers, ahead, lost, reach
from silmark.planning.sweep.engines.local import cores
from silmark.planning.sweep.table import Part, make
from silmark.planning.sweep.work import Work, package_digest

_EXPECTED = "a running Dask scheduler, such as tcp://10.0.0.1:8786"
_PATIENCE_S = 20.0


def parts(work: Work, shards: Sequence[int], workers: Workers) -> Generator[Part]:
    """Evaluates shards as Dask tasks; Dask repeats a task whose worker was lost."""
    try:
        from distributed import KilledWorker, as_completed  # noqa: PLC0415 - optional dependency
    except ModuleNotFoundError:
        raise MissingExtra("--engine dask", "dask") from None
    with _client(workers) as client:
        held, package = client.scatter(work, broadcast=True, hash=False), package_digest()

        def submit(count: int) -> list[Any]:
            return [client.submit(make, held, shard, package, pure=False) for shard in islice(left, count)]

        left = iter(shards)
        running = as_completed(submit(ahead(sum(client.nthreads().values()))))
        for future in running:
            try:
                part: Part = future.result()
            except KilledWorker as error:
                raise lost(error) from None
            future.release()
            running.update(submit(1))
            yield part


@contextmanager
def _client(workers: Workers) -> Iterator[Any]:
    """A connection to the cluster; one that is started here ends with it."""
    from distributed import Client, LocalCluster  # noqa: PLC0415 - optional dependency

    if not workers.address:
        # Processes of one thread each: evaluating holds the interpreter.
        count = workers.count or cores()
        quiet = {"dashboard_address": None, "silence_logs": logging.ERROR}
        with LocalCluster(n_workers=count, threads_per_worker=1, **quiet) as cluster, Client(cluster) as client:
            yield client
        return
    reach(workers.address, _EXPECTED)
    try:
        client = Client(workers.address, timeout=_PATIENCE_S)
    except (OSError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise BadValue("address", workers.address, f"{_EXPECTED} ({reason})") from None
    with client:
        yield client
