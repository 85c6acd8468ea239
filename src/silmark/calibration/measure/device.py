"""What is measured: the device PyTorch runs on, what it is called, how fast it ticks, which versions drive it."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from silmark.chips import host
from silmark.errors import BadValue, MissingExtra

KINDS = ("cpu", "cuda", "rocm", "xpu")
_L2_IF_UNKNOWN = 128 << 20  # at least what any GPU caches: flushing more only costs time


@dataclass(frozen=True, slots=True)
class Device:
    """One device, ready to be measured.

    Attributes:
        kind: cpu, cuda, rocm or xpu.
        name: as the vendor's driver calls it.
        where: what PyTorch calls it ("cpu", "cuda:0", "xpu:0"); ROCm answers to "cuda".
        count: devices of this kind.
        threads: threads of a CPU's operators; 0 on others.
        clock_mhz: as the driver reports it before the measurement, 0 if it does not.
        driver: version of the driver or operating system.
        libraries: versions of what computes ("torch 2.13.0; cuda 12.8; cudnn 91002").
        cache_bytes: last-level cache.
        torch: the imported library.
    """

    kind: str
    name: str
    where: str
    count: int
    threads: int
    clock_mhz: float
    driver: str
    libraries: str
    cache_bytes: int
    torch: Any

    @property
    def parallel(self) -> Any:  # noqa: ANN401 - the module torch.cuda or torch.xpu
        """PyTorch's module of the kind; None on a CPU."""
        if self.kind == "cpu":
            return None
        return self.torch.xpu if self.kind == "xpu" else self.torch.cuda

    def synchronise(self) -> None:
        """Waits until everything that was launched has ended."""
        if self.parallel is not None:
            self.parallel.synchronize()

    def runs(self, dtype: str) -> bool:
        """Whether it multiplies in that format natively; emulated formats say nothing about a device."""
        if dtype == "fp32":
            return True
        if self.kind != "cpu":
            return dtype == "fp16" or bool(self.kind != "cuda" or self.torch.cuda.is_bf16_supported())
        flags = host.cpu_flags()
        return bool(flags & ({"avx512_bf16", "amx_bf16", "bf16"} if dtype == "bf16" else {"avx512_fp16", "asimdhp"}))


def load_torch() -> Any:  # noqa: ANN401 - the module
    """PyTorch; raises MissingExtra with the line that installs it."""
    try:
        return import_module("torch")
    except ImportError:
        raise MissingExtra("measuring", "torch") from None


def probe(wanted: str = "auto", threads: int = 0) -> Device:
    """Finds the device.

    Args:
        wanted: cpu, cuda, rocm, xpu, optionally with an index ("cuda:1"); auto takes an accelerator if one is there.
        threads: threads of a CPU's operators, 0: as many as PyTorch takes by itself.

    Raises:
        BadValue: no such kind, or none in this machine.
        MissingExtra: PyTorch is not installed.
    """
    kind, _, index = wanted.partition(":")
    if kind not in (*KINDS, "auto") or (index and not index.isdigit()) or (kind == "cpu" and index):
        raise BadValue("device", wanted, f"auto or one of {', '.join(KINDS)}, with an index such as cuda:1")
    if not 0 <= threads <= (os.cpu_count() or 1):
        raise BadValue("threads", threads, f"0 to {os.cpu_count()}, the processor's own")
    torch = load_torch()
    there = _kinds(torch)
    if kind == "auto":
        kind = next((k for k in KINDS[1:] if there.get(k)), "cpu")
    if int(index or 0) >= there.get(kind, 0):
        found = ", ".join(f"{n} x {k}" for k, n in there.items() if n)
        raise BadValue("device", wanted, f"one that PyTorch {torch.__version__} finds here: {found}")
    if kind == "cpu":
        torch.set_num_threads(threads or torch.get_num_threads())
        return _cpu(torch)
    return _accelerator(torch, kind, int(index or 0), there[kind])


def _kinds(torch: Any) -> dict[str, int]:  # noqa: ANN401
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    rocm = bool(torch.version.hip)
    xpu = torch.xpu.device_count() if hasattr(torch, "xpu") and torch.xpu.is_available() else 0
    return {"cpu": 1, "cuda": 0 if rocm else gpus, "rocm": gpus if rocm else 0, "xpu": xpu}


def _cpu(torch: Any) -> Device:  # noqa: ANN401
    mkl = re.search(r"Math Kernel Library Version ([\w.-]+)", torch.__config__.show())
    onednn = re.search(r"MKL-DNN v([\d.]+)", torch.__config__.show())
    parts = [f"torch {torch.__version__}"]
    parts += [f"{name} {found[1]}" for name, found in (("mkl", mkl), ("onednn", onednn)) if found]
    return Device(
        kind="cpu",
        name=host.machine(),
        where="cpu",
        count=1,
        threads=torch.get_num_threads(),
        clock_mhz=host.clock_hz() / 1e6,
        driver=f"{platform.system()} {platform.release()}",
        libraries="; ".join(parts),
        cache_bytes=int(host.cache_bytes()),
        torch=torch,
    )


def _accelerator(torch: Any, kind: str, index: int, count: int) -> Device:  # noqa: ANN401
    module = torch.xpu if kind == "xpu" else torch.cuda
    module.set_device(index)
    facts = module.get_device_properties(index)
    parts = [f"torch {torch.__version__}"]
    if kind == "cuda":
        parts += [f"cuda {torch.version.cuda}", f"cudnn {torch.backends.cudnn.version()}"]
    elif kind == "rocm":
        parts += [f"hip {torch.version.hip}"]
    driver, clock = _driver(kind, index, facts)
    return Device(
        kind=kind,
        name=str(facts.name),
        where=f"{'xpu' if kind == 'xpu' else 'cuda'}:{index}",
        count=count,
        threads=0,
        clock_mhz=clock,
        driver=driver,
        libraries="; ".join(parts),
        cache_bytes=int(getattr(facts, "L2_cache_size", 0) or _L2_IF_UNKNOWN),
        torch=torch,
    )


def _driver(kind: str, index: int, facts: Any) -> tuple[str, float]:  # noqa: ANN401
    """Version of the driver, and the clock in MHz where it can be asked."""
    if kind == "xpu":
        return str(getattr(facts, "driver_version", "")), float(getattr(facts, "max_clock_frequency", 0) or 0)
    if kind == "rocm":
        module = Path("/sys/module/amdgpu/version")
        clock = float(getattr(facts, "clock_rate", 0) or 0) / 1e3
        return (module.read_text(encoding="utf-8").strip() if module.exists() else platform.release()), clock
    words = ["nvidia-smi", f"--id={index}", "--query-gpu=driver_version,clocks.sm", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=10, check=True)
        version, _, clock_text = done.stdout.strip().partition(",")
        return version.strip(), float(clock_text)
    except (OSError, subprocess.SubprocessError, ValueError):
        return "", 0.0
