"""Serving: what an engine is told beside the plan."""

from __future__ import annotations

from dataclasses import dataclass

from silmark.errors import BadValue
from silmark.estimation.speculation import Speculation

MAX_CHUNK = 10_000_000


@dataclass(frozen=True, slots=True)
class Serving:
    """How an engine serves requests.

    Attributes:
        chunk: most tokens of prompts in one pass (vLLM: max_num_batched_tokens); None: as many prompts as the usual
            limit holds, a longer prompt in one piece.
        offload: memory tier in which caches of sessions wait for their next request; empty: they are dropped.
        speculation: a draft model and how it is used; None: every token is a step.
    """

    chunk: int | None = None
    speculation: Speculation | None = None
    offload: str = ""

    def __post_init__(self) -> None:
        if self.chunk is not None and not 1 <= self.chunk <= MAX_CHUNK:
            raise BadValue("chunk", self.chunk, f"a number of tokens from 1 to {MAX_CHUNK:,}")

    def __str__(self) -> str:
        """What the engine chose by itself, in words."""
        return "" if self.speculation is None else str(self.speculation)


PLAIN = Serving()
"""Nothing out of the ordinary."""
