"""Samplers of binary energy models by chromatic Gibbs sampling.

There is no published file format; the keys are Silmark's own:

    model_type   "ising" or "dtm" (denoising thermodynamic model, arXiv:2510.23972)
    nodes        binary nodes of the graph
    degree       neighbours of a node
    colours      node sets that can be updated at once (default 2)
    sweeps       full sweeps per sample and denoising step
    steps        denoising steps, each with its own couplings (default 1)
    reads        nodes read out per sample and step
    writes       nodes clamped or written per sample and step (default 0)

One item of a step is one sample.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from silmark.graph import Gibbs, Op
from silmark.models.config import MAX_LAYERS, Config
from silmark.models.spec import Block, Model, Part
from silmark.workloads.step import Step


@dataclass(frozen=True, slots=True)
class Chain(Part):
    """One denoising step: `sweeps` sweeps over a graph with a coupling per edge and a bias per node."""

    nodes: int
    degree: int
    colours: int
    sweeps: int
    reads: int
    writes: int

    @property
    def parameters(self) -> int:
        """Couplings and biases; edges that a border cuts off are counted."""
        return self.nodes * self.degree // 2 + self.nodes

    def lower(self, step: Step) -> Iterator[Op]:
        """One operator for `seqs` samples."""
        yield Gibbs(
            name="gibbs",
            m=step.seqs,
            nodes=self.nodes,
            degree=self.degree,
            colours=self.colours,
            sweeps=self.sweeps,
            reads=self.reads,
            writes=self.writes,
        )


def sampler(config: Config) -> Model:
    """Reads the keys above."""
    nodes = config.count("nodes", low=2)
    chain = Chain(
        nodes=nodes,
        degree=config.count("degree", high=nodes - 1),
        colours=config.count("colours", default=2, high=nodes),
        sweeps=config.count("sweeps"),
        reads=config.count("reads", low=0, high=nodes),
        writes=config.count("writes", default=0, low=0, high=nodes),
    )
    steps = config.count("steps", default=1, high=MAX_LAYERS)
    return Model(
        name=config.name,
        kind="sampler",
        hidden=nodes,
        vocab=nodes,
        stem=(),
        blocks=((steps, Block("denoise", (chain,))),),
        tail=(),
        source_config=config.where,
    )
