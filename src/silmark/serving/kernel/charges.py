"""What a router counts for the requests that it has sent to a replica, from then until they leave.

It knows what it sent and sees answers begin and end, as Dynamo's router does: nothing of this waits for the engine.
"""

from __future__ import annotations

from silmark.serving.jit import inner
from silmark.serving.kernel.state import State


@inner
def charge(state: State, replica: int, request: int, tokens: int, blocks: int) -> None:
    """A request goes to a replica.

    Args:
        tokens: of its prompt that must be prefilled there.
        blocks: that it needs beside those that others there use already; at least 1.
    """
    one, engine = state.live[request], state.engines[replica]
    one["charge"] = tokens
    one["share"] = blocks
    engine["prefilling"] += tokens
    engine["share"] += blocks
    engine["active"] += 1
    engine["load"] += one["prompt"]


@inner
def prefilled(state: State, request: int) -> None:
    """Its first token has come."""
    one = state.live[request]
    state.engines[one["replica"]]["prefilling"] -= one["charge"]
    one["charge"] = 0


@inner
def refund(state: State, request: int) -> None:
    """It has left the replica."""
    one = state.live[request]
    if one["share"] == 0:
        return
    prefilled(state, request)
    engine = state.engines[one["replica"]]
    engine["share"] -= one["share"]
    engine["active"] -= 1
    engine["load"] -= one["prompt"]
    one["share"] = 0
