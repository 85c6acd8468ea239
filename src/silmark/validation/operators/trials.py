"""Trials: which public rows the fit of GPU kernels may see, and which rows then judge it.

seen    half of the shapes, under a fit to the other half: neighbouring rows repeat a shape, so shapes are divided and
        not rows
kin     a chip, under a fit that saw siblings of its generation
unseen  a generation, under a fit that saw none of it

Whatever else learns from rows (`curves`) sees the same ones as the fit.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from silmark.calibration.rows import CHIPS, Row
from silmark.chips import catalog
from silmark.validation.operators.columns import Columns
from silmark.validation.operators.curves import FAR, KIN, LIKE, SEEN, UNSEEN, relatives

Mask = NDArray[np.bool_]
HALVES = 2
_SIZES = (
    "m", "n", "k", "batch", "batch_size", "isl", "q_len", "kv_len", "kv_prefix_len", "num_heads",
    "num_key_value_heads", "head_dim", "window_size", "num_tokens", "hidden_size", "inter_size", "topk",
    "num_experts", "moe_tp_size", "moe_ep_size", "tokens", "sequences", "tokens_per_expert", "config", "tp",
    "prefill_chunk", "kv_prefill", "n_decode", "kv_decode", "message_elements", "size_bytes", "prefill_chunk_size",
    "kv_cache_size",
)  # fmt: skip
"""Columns that make a shape, in any table."""
_ADMITTED = {SEEN: (SEEN, LIKE), KIN: (KIN,), UNSEEN: (UNSEEN, FAR)}


def _half(cells: Iterable[str]) -> int:
    return zlib.crc32("|".join(cells).encode()) % HALVES


def halves(columns: Columns) -> NDArray[np.intp]:
    """Which half every row's shape belongs to."""
    texts = [columns.text(name) for name in _SIZES if name in columns.names]
    return np.array([_half(cells) for cells in zip(*texts, strict=True)], dtype=np.intp)


@dataclass(frozen=True, slots=True)
class Trial:
    """One fit and its judges.

    Attributes:
        evidence: what the judged rows' chip has: SEEN, KIN or UNSEEN.
        half: the half of the shapes that judges, -1 where whole chips do.
        chips: the chips that the fit never saw.
        judges: the chips that judge it.
    """

    evidence: str
    half: int
    chips: frozenset[str]
    judges: frozenset[str]

    def keeps(self, row: Row) -> bool:
        """Whether the fit may see a public row."""
        if self.half >= 0:
            return _half(row[name] for name in _SIZES if name in row) != self.half
        return CHIPS.get(row.get("system") or row.get("hardware", ""), "") not in self.chips

    def divide(self, half: NDArray[np.intp], chips: NDArray[np.str_]) -> tuple[Mask, Mask]:
        """Rows that the fit may see, and rows that judge it."""
        if self.half >= 0:
            return half != self.half, half == self.half
        return ~np.isin(chips, list(self.chips)), np.isin(chips, list(self.judges))

    def admits(self, evidence: str) -> bool:
        """Whether rows of some evidence count here; the others do in another trial."""
        return evidence in _ADMITTED[self.evidence]


def trials(chips: Sequence[str]) -> Iterator[Trial]:
    """All trials of some measured chips; only GPUs are left out whole."""
    for half in range(HALVES):
        yield Trial(SEEN, half, frozenset(), frozenset(chips))
    families: dict[str, list[str]] = {}
    for chip in chips:
        if catalog.load(chip).family == "gpu":
            families.setdefault(catalog.load(chip).generation, []).append(chip)
    for family in families.values():
        for chip in family:
            if relatives(chip, tuple(family))[0]:
                yield Trial(KIN, -1, frozenset({chip}), frozenset({chip}))
        yield Trial(UNSEEN, -1, frozenset(family), frozenset(family))
