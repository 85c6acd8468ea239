"""Serving: what an engine is told beside the plan."""

from __future__ import annotations

from dataclasses import dataclass

from silmark.errors import BadValue

MAX_CHUNK = 10_000_000


@dataclass(frozen=True, slots=True)
class Serving:
    """How an engine serves requests.

    Attributes:
        chunk: most tokens of prompts in one pass (vLLM: max_num_batched_tokens); None: as many prompts as the usual
            limit holds, a longer prompt in one piece.
    """

    chunk: int | None = None

    def __post_init__(self) -> None:
        if self.chunk is not None and not 1 <= self.chunk <= MAX_CHUNK:
            raise BadValue("chunk", self.chunk, f"a number of tokens from 1 to {MAX_CHUNK:,}")


PLAIN = Serving()
"""Nothing out of the ordinary."""
