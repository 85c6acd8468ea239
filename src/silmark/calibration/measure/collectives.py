"""Collectives between the devices of one machine: NCCL, RCCL, oneCCL, or gloo between processes of a CPU."""

from __future__ import annotations

import json
import os
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from silmark.calibration.measure.device import Device, load_torch
from silmark.calibration.measure.grid import Point
from silmark.calibration.measure.timer import LEAST, Timing

BACKENDS = {"cpu": "gloo", "cuda": "nccl", "rocm": "nccl", "xpu": "xccl"}
_REPEATS = 20
_ELEMENT = 2  # bytes: messages are in half precision, as in the public tables


def time_all(device: Device, points: list[Point], ranks: int) -> list[Timing]:
    """Times every point with all ranks taking part; one start of the processes for all of them.

    Args:
        device: its kind chooses the library.
        points: collectives; `bytes` is the payload of one rank as in `silmark.graph.Collective`.
        ranks: processes, one device each.
    """
    torch = device.torch
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="silmark-collectives-") as folder:
        out = Path(folder) / "times.json"
        wanted = [(str(point.shape["op"]), point.size("bytes")) for point in points]
        torch.multiprocessing.spawn(_rank, (device.kind, wanted, ranks, port, str(out)), nprocs=ranks)
        times = json.loads(out.read_text(encoding="utf-8"))
    return [Timing(min(some), median(some), len(some), 0) for some in times]


def _rank(rank: int, kind: str, wanted: list[tuple[str, int]], ranks: int, port: int, out: str) -> None:
    torch = load_torch()
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    if kind != "cpu":
        (torch.xpu if kind == "xpu" else torch.cuda).set_device(rank)
    torch.distributed.init_process_group(BACKENDS[kind], rank=rank, world_size=ranks)
    where = "cpu" if kind == "cpu" else f"{'xpu' if kind == 'xpu' else 'cuda'}:{rank}"
    times = [_repeat(torch, kind, where, op, size, ranks) for op, size in wanted]
    if rank == 0:
        Path(out).write_text(json.dumps(times), encoding="utf-8")
    torch.distributed.destroy_process_group()


def _repeat(torch: Any, kind: str, where: str, op: str, size: int, ranks: int) -> list[float]:  # noqa: ANN401
    """Seconds per repeat on this rank; a barrier before each, so that nobody waits for a late start."""
    share = max(1, size // _ELEMENT // ranks)
    dtype = torch.float32 if kind == "cpu" else torch.float16  # gloo has no 16-bit sums on every version
    if kind == "cpu":
        share = max(1, share // 2)
    whole = torch.ones(share * ranks, dtype=dtype, device=where)
    part, other = torch.ones(share, dtype=dtype, device=where), torch.empty_like(whole)
    group = torch.distributed
    calls: dict[str, Callable[[], object]] = {
        "all_reduce": lambda: group.all_reduce(whole),
        "all_gather": lambda: group.all_gather(list(other.chunk(ranks)), part),
        "all_to_all": lambda: group.all_to_all_single(other, whole),
    }
    call = calls[op]
    inner = 1 if kind == "cpu" else _REPEATS  # queued back to back, so that launching hides behind the one before
    times = []
    for turn in range(_REPEATS + LEAST):
        group.barrier()
        _wait(torch, kind)
        start = time.perf_counter()
        for _ in range(inner):
            call()
        _wait(torch, kind)
        if turn >= LEAST:
            times.append((time.perf_counter() - start) / inner)
    return times


def _wait(torch: Any, kind: str) -> None:  # noqa: ANN401
    if kind != "cpu":
        (torch.xpu if kind == "xpu" else torch.cuda).synchronize()
