"""What is published of how chips multiply, as arithmetics; what is not is said in each entry's comment."""

from __future__ import annotations

from collections.abc import Iterator

from silmark.numerics.arithmetic.digital import Digital
from silmark.numerics.arithmetic.factored import Factored
from silmark.numerics.base import Arithmetic, NumberFormat
from silmark.numerics.formats import FORMATS
from silmark.numerics.scaled import Real
from silmark.numerics.sums import Chunked, Halves, Integers, Limited

FP32, BF16, FP16, FLUSH = FORMATS["fp32"], FORMATS["bf16"], FORMATS["fp16"], FORMATS["fp16-flush"]


def _real(name: str) -> Real:
    found = FORMATS[name]
    assert isinstance(found, Real)
    return found


def _integers() -> Iterator[Arithmetic]:
    """INT8 and INT4 codes summed in INT32; scales applied to the sum in float32."""
    for bits in (8, 4):
        for suffix in ("", "-row", "-group32", "-group64", "-group128"):
            one = _real(f"int{bits}{suffix}")
            yield Factored(name=one.name, left=one, right=one, out=FP32, sums=Integers(bits))


def _gpus() -> Iterator[Arithmetic]:
    """FP8 with scales per row, in tensor cores that keep 14 bits; `-promoted` as DeepSeek-V3 works around it.

    CDNA 3 multiplies FNUZ; AMD states float32 accumulation. That scales lie per row there is how vLLM uses both.
    """
    row, group, fnuz = _real("fp8-e4m3-row"), _real("fp8-e4m3-group128"), _real("fp8-e4m3-fnuz-row")
    yield Factored(name="hopper-fp8", left=row, right=row, out=BF16, sums=Limited())
    yield Factored(name="hopper-fp8-promoted", left=group, right=group, out=BF16, sums=Limited())
    yield Factored(name="cdna3-fp8", left=fnuz, right=fnuz, out=BF16)


def _gaudi() -> Iterator[Arithmetic]:
    """FP8 with one scale per tensor and float32 accumulation; Gaudi 2 has no values above 240.

    Lee et al., "Faster Inference of LLMs using FP8 on the Intel Gaudi" (arXiv:2503.09975).
    """
    for name, kind in (("gaudi2-fp8", "fp8-e4m3-ieee-tensor"), ("gaudi3-fp8", "fp8-e4m3-tensor")):
        yield Factored(name=name, left=_real(kind), right=_real(kind), out=BF16)


def _newcomers() -> Iterator[Arithmetic]:
    """Groq, Cerebras, d-Matrix, Maia."""
    row, bfp = _real("int8-row"), FORMATS["bfp16-64"]
    yield Factored(name="groq-int8", left=row, right=row, out=FP32, sums=Integers())
    yield Digital(name="groq-fp16", left=FP16, right=FP16, out=FP32, sums=Chunked(160))
    yield Digital(name="cerebras-fp16", left=FP16, right=FP16, out=FP16, sums=Halves())
    yield Digital(name="dmatrix-basic", left=bfp, right=bfp, out=FLUSH)
    for bits in (9, 6):
        mx = FORMATS[f"mx{bits}"]
        yield Digital(name=f"maia-mx{bits}", left=mx, right=mx, out=BF16)


def _plain(name: str, out: NumberFormat) -> Arithmetic:
    return Digital(name=name, left=FORMATS[name], right=FORMATS[name], out=out)


CHIPS: dict[str, Arithmetic] = {
    each.name: each
    for each in (
        _plain("bf16", BF16),
        _plain("fp16", FP16),
        *_integers(),
        *_gpus(),
        *_gaudi(),
        *_newcomers(),
    )
}
