"""`host`: the processor that Silmark runs on, its facts read from the machine.

Counts and flags come from the operating system; what it does not tell (clock under load, memory bandwidth,
power) is assumed with wide intervals.
"""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path

from silmark.chips.spec import Chip
from silmark.figures import Figure, Grade

HOST = "host"
_SOURCE = "host-operating-system"


@cache
def host() -> Chip:
    """The machine's processor as a chip of the gpu family: cores are its units."""
    info = _cpuinfo()
    cores = float(os.cpu_count() or 1)
    clock = _clock(info)
    flags = set(info.get("flags", info.get("Features", "")).split())
    per_core = 64.0 if "avx512f" in flags else 32.0 if "avx2" in flags or "asimd" in flags else 8.0
    fp32 = cores * clock * per_core
    wide = 2.0 if flags & {"avx512_bf16", "amx_bf16", "bf16"} else 1.0
    memory = float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")) if hasattr(os, "sysconf") else 8e9
    figures = [
        _assumed("peak.fp32", fp32, 0.5, 1.2, "FLOP/s", "cores x clock x lanes of the widest vector flag"),
        _assumed("peak.bf16", fp32 * wide, 0.4, 2.0, "FLOP/s", "twice fp32 where the processor multiplies bf16"),
        _assumed("peak.int8", fp32 * 2 * wide, 0.3, 2.0, "FLOP/s", "vector dot products of bytes"),
        _assumed("peak.vector", fp32 / 2, 0.3, 1.5, "FLOP/s", "half of the fused multiply-add rate"),
        _read("memory.main.capacity", memory, "B"),
        _assumed(
            "memory.main.bandwidth",
            12.5e9 * min(cores, 12),
            0.4,
            2.5,
            "B/s",
            "12.5 GB/s per core up to a socket's channels",
        ),
        _assumed("memory.cache.capacity", 2e6 * cores, 0.3, 4.0, "B", "last-level cache per core"),
        _assumed("memory.cache.bandwidth", 40e9 * cores, 0.5, 3.0, "B/s", "per core"),
        _read("compute.units", cores, "1"),
        _assumed("compute.clock", clock, 0.8, 1.3, "Hz", "as the operating system reports it"),
        _assumed("compute.launch", 5e-6, 0.2, 4.0, "s", "one library call and its threads"),
        _assumed("power.tdp", 8.0 * cores, 0.5, 3.0, "W", "8 W per core"),
        _assumed("power.idle_share", 0.3, 0.5, 1.7, "1", "servers idle at a third of their limit"),
        _assumed("power.decode_share", 0.6, 0.6, 1.3, "1", "memory-bound work"),
        _assumed("power.prefill_share", 0.9, 0.8, 1.1, "1", "all vector units busy"),
        _assumed("software.maturity", 0.7, 0.5, 1.4, "1", "CPU inference engines"),
    ]
    return Chip(
        id=HOST,
        name=info.get("model name", platform.processor() or platform.machine()).strip(),
        vendor="this machine",
        family="gpu",
        status="shipping",
        since="-",
        system="host-machine",
        precision="bf16",
        evidence="none",
        stack="PyTorch CPU",
        notes="Facts read from the operating system; rates assumed.",
        figures={figure.key: figure for figure in figures},
    )


def _read(key: str, value: float, unit: str) -> Figure:
    return Figure(key, value, value, value, unit, _SOURCE, Grade.MEASURED)


def _assumed(key: str, value: float, low: float, high: float, unit: str, note: str) -> Figure:
    return Figure(key, value, value * low, value * high, unit, "silmark-assumption", Grade.ASSUMED, note=note)


def _cpuinfo() -> dict[str, str]:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    first = text.split("\n\n", 1)[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _clock(info: dict[str, str]) -> float:
    try:
        return float(info["cpu MHz"]) * 1e6
    except (KeyError, ValueError):
        return 2.5e9
