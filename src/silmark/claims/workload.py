"""The conditions of a test: prompts, answers, promises, and how many sequences are in flight."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from silmark.claims.fields import Fields
from silmark.workloads import Workload
from silmark.workloads.workload import MAX_BATCH, MAX_TOKENS

FINE_USERS = tuple(2**i for i in range(9))
FINE_PROMPTS = tuple(2**i for i in range(8, 16))
"""The grid of the map: 1 to 256 users, prompts of 256 to 32,768 tokens."""
_MOST = 100
"""Conditions of one test; the map has its own grid."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """Under what a comparison is made.

    Attributes:
        users: sequences in flight, each a column; empty lets each side choose within the promises.
        prompts: tokens, each a row.
        output: tokens of an answer.
        ttft_s, tpot_s: promises; infinite for none.
    """

    users: tuple[int, ...]
    prompts: tuple[int, ...]
    output: int
    ttft_s: float
    tpot_s: float

    @classmethod
    def read(cls, fields: Fields) -> Conditions:
        """Reads `users`, `prompt`, `output`, `ttft_s` and `tpot_s` of a test."""
        users = fields.wholes("users", (), MAX_BATCH)
        prompts = fields.wholes("prompt", (1024,), MAX_TOKENS // 2)
        if len(users) * len(prompts) > _MOST:
            raise fields.bad("users", f"expected at most {_MOST} pairs of users and prompt")
        return cls(
            users=users,
            prompts=prompts,
            output=fields.whole("output", 256, MAX_TOKENS // 2),
            ttft_s=fields.number("ttft_s") or math.inf,
            tpot_s=fields.number("tpot_s") or math.inf,
        )

    def workloads(self) -> Iterator[Workload]:
        """One per condition of the file: prompt by prompt, users rising."""
        return self._grid(self.prompts, self.users or (None,))

    def fine(self) -> Iterator[Workload]:
        """The grid of the map, with the answers and promises of the file."""
        return self._grid(FINE_PROMPTS, FINE_USERS)

    def _grid(self, prompts: Sequence[int], users: Sequence[int | None]) -> Iterator[Workload]:
        for prompt in prompts:
            for count in users:
                yield Workload("claim", prompt, self.output, self.ttft_s, self.tpot_s, count)
