"""One engine on its chips: document and tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from silmark.figures import Figure
from silmark.figures.numbers import si
from silmark.report.wiring import Cells
from silmark.serving.kv_tiers import NEVER, KvTier
from silmark.serving.replica import Replica


@dataclass(frozen=True, slots=True)
class EngineAnswer:
    """What an engine chose.

    Attributes:
        question: what was asked, after defaults.
        replica: one engine; None where it does not start.
        tiers: memory beyond the chips, for one replica.
        reason: why it does not start.
        cannot: whether engine or chip lack what is needed, whatever the memory.
    """

    question: dict[str, str]
    replica: Replica | None
    tiers: tuple[KvTier, ...] = ()
    reason: str = ""
    cannot: bool = False

    @property
    def status(self) -> str:
        """As in `compare`."""
        return "ok" if self.replica else "cannot-run" if self.cannot else "infeasible"

    @property
    def figures(self) -> dict[str, Figure]:
        """Every figure behind settings and blocks, by key."""
        return {} if self.replica is None else self.replica.chosen

    def as_dict(self, explain: bool = False) -> dict[str, Any]:
        """The document of silmark.engine/1."""
        found = self.replica
        return {
            "schema": "silmark.engine/1",
            "question": self.question,
            "status": self.status,
            "reason": self.reason,
            "engine": None if found is None else found.as_dict(),
            "tiers": [
                {
                    "name": tier.name,
                    "blocks": tier.blocks,
                    "latency_s": tier.latency_s,
                    "block_s": tier.block_s,
                    "pays_from": None if tier.pays_from == NEVER else tier.pays_from,
                }
                for tier in self.tiers
            ],
            "figures": [figure.as_dict(key) for key, figure in sorted(self.figures.items())] if explain else None,
        }


def choices(found: Replica) -> Cells:
    """What it was told and chose, in vLLM's words."""
    chosen = found.as_dict()
    names = (
        "max_num_seqs",
        "max_num_batched_tokens",
        "max_model_len",
        "enable_prefix_caching",
        "enable_chunked_prefill",
        "async_scheduling",
        "block_size",
    )
    lines = [[name, _word(chosen[name])] for name in names]
    held = found.blocks.interval()
    lines.append(["num_blocks", f"{found.options.num_blocks:,} ({held.low:,.0f} to {held.high:,.0f})"])
    lines.append(["tokens in KV blocks", f"{found.kv_tokens:,}"])
    if found.options.sequence_blocks:
        lines.append(["blocks of a sequence beside its tokens", f"{found.options.sequence_blocks:,}"])
    return ["", "value"], lines


def memory(found: Replica) -> Cells:
    """Where the memory of one chip goes."""
    spare = found.blocks.budget
    share = f"x {spare.share:.3g} that the engine takes"
    sizes = f"{len(found.options.captured):,} sizes{'' if spare.graphs else ', not counted'}"
    parts = (
        ("reported by the driver", spare.total, share),
        ("weights", spare.weights, ""),
        ("driver and communication", spare.runtime, ""),
        ("activations and logits", spare.peak, "peak of the trial pass"),
        ("recorded steps", spare.graphs, sizes),
        ("KV blocks", spare.cache, f"{si(found.blocks.bytes_, 'B')} each"),
    )
    return ["memory of a chip", "bytes", ""], [[name, si(size, "B"), note] for name, size, note in parts]


def tiers(found: tuple[KvTier, ...]) -> Cells:
    """KV blocks beyond the chips."""
    headers = ["KV blocks beyond the chips", "blocks", "first byte", "a block", "sooner than a prefill from"]
    return headers, [
        [
            tier.name,
            f"{tier.blocks:,}",
            si(tier.latency_s, "s"),
            si(tier.block_s, "s"),
            "never" if tier.pays_from == NEVER else f"{tier.pays_from:,} block{'s' if tier.pays_from > 1 else ''}",
        ]
        for tier in found
    ]


def _word(value: object) -> str:
    return ("no", "yes")[value] if isinstance(value, bool) else f"{value:,}"
