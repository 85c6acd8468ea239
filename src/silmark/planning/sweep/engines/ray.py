"""A Ray cluster: the one at an address, or one started on this machine; needs silmark[ray] wherever it works."""

from __future__ import annotations

import logging
from collections.abc import Generator, Sequence
from itertools import islice

from silmark.errors import BadValue, MissingExtra, SilmarkError
from silmark.planning.sweep.engines import Workers, ahead, lost, reach
from silmark.planning.sweep.table import Part, make
from silmark.planning.sweep.work import Work, package_digest

_EXPECTED = "a running Ray cluster, such as 10.0.0.1:6379 or auto"


def parts(work: Work, shards: Sequence[int], workers: Workers) -> Generator[Part]:
    """Evaluates shards as Ray tasks; Ray repeats a task whose worker was lost."""
    try:
        import ray  # noqa: PLC0415 - optional dependency
    except ModuleNotFoundError:
        raise MissingExtra("--engine ray", "ray") from None
    own = not ray.is_initialized()
    if own:
        _connect(workers)
    try:
        held, package = ray.put(work), package_digest()
        one = ray.remote(make)
        left = iter(shards)
        running = [one.remote(held, shard, package) for shard in islice(left, ahead(_cores()))]
        while running:
            ready, running = ray.wait(running)
            running += [one.remote(held, shard, package) for shard in islice(left, len(ready))]
            yield from map(_result, ready)
    finally:
        if own:
            ray.shutdown()


def _connect(workers: Workers) -> None:
    import ray  # noqa: PLC0415 - optional dependency

    quiet = {"configure_logging": True, "logging_level": logging.ERROR, "log_to_driver": False}
    if not workers.address:
        ray.init(num_cpus=workers.count, include_dashboard=False, **quiet)
        return
    reach(workers.address, _EXPECTED)
    try:
        ray.init(address=workers.address, **quiet)
    except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
        reason = str(error).partition("\n")[0]
        raise BadValue("address", workers.address, f"{_EXPECTED} ({reason})") from None


def _cores() -> int:
    import ray  # noqa: PLC0415 - optional dependency

    return int(ray.cluster_resources().get("CPU", 1))


def _result(ready: object) -> Part:
    import ray  # noqa: PLC0415 - optional dependency

    try:
        part: Part = ray.get(ready)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, SilmarkError):
            raise error.cause from None
        raise
    except ray.exceptions.RayError as error:
        raise lost(error) from None
    return part
