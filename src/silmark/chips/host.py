"""`host`: the processor that Silmark runs on.

Counts and flags come from the operating system. Rates come from the user's own measurement (`silmark measure`, then
`silmark calibrate host`) where there is one of this machine, else they are assumed with wide intervals. The
measurement stays in the user's folder: it tells nothing about anybody else's processor.
"""

from __future__ import annotations

import os
import platform
from dataclasses import replace
from functools import cache
from pathlib import Path

from silmark.chips.spec import Chip
from silmark.errors import BadFile
from silmark.figures import Figure, Grade
from silmark.figures.tables import read_figure, read_toml, walk

HOST = "host"
SOURCE = "host-measurement"
_SOURCE = "host-operating-system"
_CACHE_FOLDER = Path("/sys/devices/system/cpu/cpu0/cache")
_PREFIX = "calibration.cpu."


def own_file() -> Path:
    """Where the user's own calibration lies, whether or not there is one: `host.toml` in Silmark's folder."""
    chosen = os.environ.get("SILMARK_HOME")
    shared = os.environ.get("XDG_CONFIG_HOME")
    home = os.environ.get("HOME") or os.environ.get("APPDATA") or os.devnull  # no home: nothing is found
    return (Path(chosen) if chosen else (Path(shared) if shared else Path(home) / ".config") / "silmark") / "host.toml"


@cache
def host() -> Chip:
    """The machine's processor as a chip of the cpu family."""
    measured, note = _measured()
    chip = guess()
    evidence = "measured" if measured else "none"
    return replace(chip, evidence=evidence, notes=note, figures={**chip.figures, **measured})


def guess() -> Chip:
    """The same without the user's measurement: what the operating system says, and assumptions."""
    figures = {figure.key: figure for figure in _guesses()}
    return Chip(
        id=HOST, name=machine(), vendor="this machine", family="cpu", status="shipping", since="-",
        system="host-machine", precision="bf16", evidence="none", stack="PyTorch CPU", figures=figures,
    )  # fmt: skip


def machine() -> str:
    """What the processor is called."""
    return _cpuinfo().get("model name", platform.processor() or platform.machine()).strip()


def cpu_flags() -> set[str]:
    """Instruction set extensions."""
    info = _cpuinfo()
    return set(info.get("flags", info.get("Features", "")).split())


def clock_hz() -> float:
    """Clock as the operating system reports it, else a guess."""
    try:
        return float(_cpuinfo()["cpu MHz"]) * 1e6
    except (KeyError, ValueError):
        return 2.5e9


def memory_bytes() -> float:
    """Main memory."""
    return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")) if hasattr(os, "sysconf") else 8e9


def cache_bytes() -> float:
    """Last-level cache as the operating system reports it, else 2 MB per core."""
    sizes = []
    for path in _CACHE_FOLDER.glob("index*/size"):
        try:
            text = path.read_text(encoding="utf-8").strip()
            sizes.append(float(text.rstrip("KMG")) * {"K": 2**10, "M": 2**20, "G": 2**30}.get(text[-1:], 1))
        except (OSError, ValueError):
            continue
    return max(sizes, default=2e6 * (os.cpu_count() or 1))


def _guesses() -> list[Figure]:
    cores, clock, flags = float(os.cpu_count() or 1), clock_hz(), cpu_flags()
    per_core = 64.0 if "avx512f" in flags else 32.0 if "avx2" in flags or "asimd" in flags else 8.0
    fp32 = cores * clock * per_core
    wide = 2.0 if flags & {"avx512_bf16", "amx_bf16", "bf16"} else 1.0
    bandwidth = 12.5e9 * min(cores, 12)
    return [
        _assumed("peak.fp32", fp32, 0.5, 1.2, "FLOP/s", "cores x clock x lanes of the widest vector flag"),
        _assumed("peak.bf16", fp32 * wide, 0.4, 2.0, "FLOP/s", "twice fp32 where the processor multiplies bf16"),
        _assumed("peak.int8", fp32 * 2 * wide, 0.3, 2.0, "FLOP/s", "vector dot products of bytes"),
        _assumed("peak.vector", fp32 / 2, 0.3, 1.5, "FLOP/s", "half of the fused multiply-add rate"),
        _read("memory.main.capacity", memory_bytes(), "B"),
        _assumed("memory.main.bandwidth", bandwidth, 0.4, 2.5, "B/s", "12.5 GB/s per core up to a socket's channels"),
        _assumed("memory.cache.capacity", cache_bytes(), 0.1, 1.0, "B", "shared with other guests of the machine"),
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


def _measured() -> tuple[dict[str, Figure], str]:
    """Figures of the user's own calibration, and what to say about it; none of another machine's."""
    path = own_file()
    assumed = "Facts read from the operating system; rates assumed: `silmark measure` can measure them."
    if not path.is_file():
        return {}, assumed
    table = read_toml(path)
    named, parameters = table.get("machine"), table.get("parameters")
    if not isinstance(named, str) or not isinstance(parameters, dict):
        raise BadFile(path, "expected machine and [parameters]; write it with `silmark calibrate host` or delete it")
    if named != machine():
        return {}, f"{assumed} {path} is of another machine ({named[:60]})."
    figures = {}
    for key, leaf in walk(parameters):
        if not isinstance(leaf, dict):
            raise BadFile(path, "expected a figure with value, unit, source and grade", key)
        group, _, name = key.partition(".")
        figure = read_figure(path, name if group == "chip" else _PREFIX + key, leaf)
        if figure.value <= 0:
            raise BadFile(path, "must be above 0", key)
        figures[figure.key] = figure
    return figures, f"Rates measured here on {table.get('date', 'an unknown day')} ({path})."


def _read(key: str, value: float, unit: str) -> Figure:
    return Figure(key, value, value, value, unit, _SOURCE, Grade.MEASURED)


def _assumed(key: str, value: float, low: float, high: float, unit: str, note: str) -> Figure:
    return Figure(key, value, value * low, value * high, unit, "silmark-assumption", Grade.ASSUMED, note=note)


@cache
def _cpuinfo() -> dict[str, str]:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    first = text.split("\n\n", 1)[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}
