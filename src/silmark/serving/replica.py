"""Replica: everything that a simulation of one engine on its chips needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from silmark.figures import Figure
from silmark.mapping import Infeasible, Plan
from silmark.models import Model
from silmark.serving.arguments import EngineArgs
from silmark.serving.blocks import Blocks
from silmark.serving.engines import Engine, engine
from silmark.serving.options import EngineOptions
from silmark.serving.resolve import resolve
from silmark.step import Maturity, StepModel, compile_step
from silmark.systems import Target


@dataclass(frozen=True, slots=True)
class Replica:
    """One engine that serves a model; a fleet has `step_model.plan.dp` of them.

    Attributes:
        step_model: the compiled plan of one replica.
        engine: whose defaults hold.
        options: what the engine was told and chose.
        blocks: KV blocks, and where the memory goes.
    """

    step_model: StepModel
    engine: Engine
    options: EngineOptions
    blocks: Blocks

    @property
    def count(self) -> int:
        """Replicas that the plan has."""
        return self.step_model.plan.dp

    @property
    def chips(self) -> int:
        """Chips of one replica."""
        return self.step_model.plan.replica_chips

    @property
    def kv_tokens(self) -> int:
        """Tokens that the KV blocks hold."""
        return self.options.num_blocks * self.options.block_size

    @property
    def chosen(self) -> dict[str, Figure]:
        """Every figure behind options and blocks, by key."""
        settings = {f"engine.{key}": figure for key, figure in self.engine.settings.items()}
        return settings | dict(self.blocks.budget.figures)

    @property
    def figures(self) -> dict[str, Figure]:
        """The same with those behind the times of steps."""
        return self.step_model.figures | self.chosen

    def as_dict(self) -> dict[str, Any]:
        """What the engine chose, for documents."""
        spare = self.blocks.budget
        return {
            "engine": self.engine.name,
            "engine_version": self.engine.version,
            "policy": self.options.policy,
            "plan": str(self.step_model.plan),
            "replicas": self.count,
            "max_num_seqs": self.options.max_num_seqs,
            "max_num_batched_tokens": self.options.max_num_batched_tokens,
            "max_model_len": self.options.max_model_len,
            "block_size": self.options.block_size,
            "num_blocks": self.options.num_blocks,
            "num_blocks_interval": self.blocks.interval().as_dict(),
            "kv_tokens": self.kv_tokens,
            "enable_prefix_caching": self.options.enable_prefix_caching,
            "enable_chunked_prefill": self.options.enable_chunked_prefill,
            "async_scheduling": self.options.async_scheduling,
            "memory_bytes": {
                "reported": spare.total,
                "share": spare.share,
                "weights": spare.weights,
                "runtime": spare.runtime,
                "activations": spare.peak,
                "graphs": spare.graphs,
                "kv": spare.cache,
                "block": self.blocks.bytes_,
            },
        }


def replica(
    model: Model, target: Target, plan: Plan, args: EngineArgs | None = None, maturity: Maturity = "own"
) -> Replica | Infeasible:
    """One engine as it comes up on its chips.

    Args:
        model: what is served.
        target: chips and their system.
        plan: how one replica is cut, and how many there are (dp).
        args: what the user tells the engine; None for nothing.
        maturity: as in `compile_step`.

    Returns:
        The replica; Infeasible with the reason where the model, the engine or the longest request does not run there.

    Raises:
        BadValue: an unknown policy or version.
    """
    asked = args or EngineArgs()
    found = engine(asked.policy, target.chip, plan.replica_chips, asked.version)
    if isinstance(found, Infeasible):
        return found
    if model.kind != "decoder":
        return Infeasible(f"{model.name} is a {model.kind}: engines with a KV cache serve models that make tokens")
    compiled = compile_step(model, target, plan, maturity)
    if isinstance(compiled, Infeasible):
        return compiled
    resolved = resolve(compiled, found, asked)
    if isinstance(resolved, Infeasible):
        return resolved
    options, held = resolved
    return Replica(compiled, found, options, held)
