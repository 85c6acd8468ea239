"""Which kernels run on a GPU, and how far they differ from the family's common parameters.

A parameter of a chip is the family's (`data/calibration/gpu.toml`, `parameters`) times the factors (`factors`) of
everything that the chip, the number format and the engine belong to: the generation, the scheme, the scheme on that
generation, the library, its kernel for the scheme, and that kernel on that generation. What was never measured together
has no factor, so that a new chip inherits its generation's and its library's.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from functools import cache

from silmark.figures.tables import packaged
from silmark.formats import FORMATS

Factors = Mapping[str, Mapping[str, float]]

RENAMED = {"vllm_flash_attn_fa2": "vllm_flash_attn"}
"""Name of a kernel -> what it was called before there was another to tell it from."""
LIBRARIES = (
    "triton", "marlin", "deepgemm", "cutlass", "trtllm", "flashinfer", "fa3", "fa4", "flash_att", "flashmla",
)  # fmt: skip
"""What names of kernels say of the library that they come from, the most telling first."""

KIN = {"blackwell-rtx": "ada"}
"""Generation without rows of its own -> the one whose factors it takes: the workstation parts of Blackwell have
Ada's warp-level matrix instructions, not the server parts' tensor memory."""
LIMITS = {
    "gemm.flop_share": (0.2, 2.0), "gemm.memory_share": (0.3, 1.15), "gemm.overlap": (0.003, 1.0),
    "gemm.tail": (0.003, 1.0), "gemm.resident_share": (0.001, 2.0), "gemm.resident_weights": (0.03, 3.0),
    "decode.memory_share": (0.2, 1.1), "decode.wave": (0.003, 1.0), "decode.overlap": (0.003, 1.0),
    "decode.resident": (0.02, 3.0), "prefill.flop_share": (0.1, 3.0), "prefill.memory_share": (0.05, 1.1),
    "prefill.tail": (0.003, 1.0), "prefill.overlap": (0.003, 1.0), "prefill.kv_traffic": (0.3, 30.0),
    "experts.flop_share": (0.05, 3.0), "experts.memory_share": (0.2, 1.15), "experts.overlap": (0.003, 1.0),
    "experts.launches": (1.0, 60.0),
}  # fmt: skip
"""Between which values a parameter stays whatever its factors; rates are held to the chip's peaks besides."""


@dataclass(frozen=True, slots=True)
class Engine:
    """Whose kernels run: `engine[:scheme[:kernel]]`, such as `trtllm:fp8_block`; empty: what all engines share.

    Attributes:
        name: vllm, sglang, trtllm; or a library that a benchmark timed alone.
        scheme: how operands are scaled where a format leaves a choice (fp8_block), else empty; `static` is a network
            that was compiled with its scales: see `compiled`.
        kernel: one kernel of the engine where it has several, else empty.
    """

    name: str = ""
    scheme: str = ""
    kernel: str = ""

    @classmethod
    def of(cls, text: str) -> Engine:
        """Parses `engine[:scheme[:kernel]]`."""
        name, scheme, kernel = (*text.split(":", 2), "", "")[:3]
        return cls(name, scheme, RENAMED.get(kernel, kernel))

    @property
    def compiled(self) -> bool:
        """Whether scales are known before: products read and write narrow operands, and end in what follows them.

        TensorRT's way with networks that were calibrated: layers hand on 8 bits, no pass of its own narrows them, and
        activations and residual additions are the end of the product in front of them.
        """
        return self.scheme == "static"

    def narrowed(self, natural: str) -> str:
        """The scheme for a product that would run as `natural`, if the engine's own is a variant of it."""
        return self.scheme if self.scheme.startswith(natural) else natural


def product_scheme(weights: float, compute: str) -> str:
    """Scheme of a matrix product from bits per weight and the format of the matrix units."""
    bits = FORMATS[compute].bits
    if bits >= 10:
        return "bfloat16" if weights >= 10 else "int8_wo" if weights >= 6 else "int4_wo"
    if bits < 6:
        return "nvfp4"
    return "sq" if compute == "int8" else "fp8"


def expert_scheme(weights: float, compute: str) -> str:
    """The same for routed experts, whose 4-bit weights are mostly MXFP4."""
    natural = product_scheme(weights, compute)
    if weights < 6 and natural == "fp8":
        return "w4a8_mxfp4_mxfp8"
    return "w4a16_mxfp4" if natural == "int4_wo" and weights > FORMATS["int4"].bits else natural


def attention_scheme(kv_bytes: float, engine: Engine) -> str:
    """Scheme of attention: 16 bits, 16 bits over a narrow cache, or all narrow."""
    if kv_bytes >= 2.0:
        return "bfloat16"
    return "fp8" if engine.scheme == "fp8" else "kv8"


def chain(known: Container[str], generation: str, scheme: str, engine: Engine) -> tuple[str, ...]:
    """Names of the factors that apply, the widest first.

    Args:
        known: names that have factors.
        generation: of the chip.
        scheme: of the operator.
        engine: whose kernels run; without a named kernel the engine's usual one. Of a kernel that was never measured
            only its library counts.
    """
    generation = KIN.get(generation, generation)
    label = f"{engine.name}|{engine.kernel}" if engine.kernel else engine.name
    names = (
        generation, scheme, f"{generation}|{scheme}", library(engine.name, engine.kernel), f"{scheme}|{label}",
        f"{generation}|{scheme}|{label}",
    )  # fmt: skip
    return tuple(name for name in names if name in known)


def library(engine: str, kernel: str) -> str:
    """Name of the factors that kernels of one library share, whichever engine calls them."""
    own = kernel.lower()
    return f"by {next((name for name in LIBRARIES if name in own), engine)}"


@cache
def factors(part: str) -> Factors:
    """Factors of one part (gemm, decode, prefill, experts): name -> parameter -> factor."""
    table = packaged("calibration").get("gpu", {}).get("factors", {}).get(part, {})
    order = list(table.get("order", {}))
    return {name: dict(zip(order, row, strict=True)) for name, row in table.items() if name != "order"}


def clipped(key: str, value: float) -> float:
    """A parameter within its limits."""
    low, high = LIMITS.get(key, (0.0, value))
    return min(max(value, low), high)
