"""What a simulated tier holds, in the form in which `oracle_tier.py` records it."""

from __future__ import annotations

from typing import Any

from silmark.serving.kernel.state import ABSENT, NONE, State
from silmark.serving.replay import Step, decisions
from silmark.serving.scenario import Scenario, parse

_EMITTED = 7


def steps_with_tiers(config: dict[str, Any]) -> list[Step]:
    """The steps of a scenario, each with what the tier holds after its decision."""
    scenario, names, steps = parse(config), _owners(config), []
    known: dict[int, tuple[int, int]] = {}
    for state, step in decisions(scenario):
        _learn(state, scenario, names, known)
        steps.append(step | {"tier": _held(state, known)})
    return steps


def _owners(config: dict[str, Any]) -> dict[tuple[int, int], tuple[int, int]]:
    """For each block of each request the first row, and place, with the same tokens up to there."""
    first: dict[tuple[int, ...], tuple[int, int]] = {}
    owners = {}
    for row, request in enumerate(config["requests"]):
        tokens = [token for start, stop in request["segments"] for token in range(start, stop)]
        tokens += [_EMITTED] * request["out"]
        for place in range(len(tokens) // config["block_size"]):
            here = tuple(tokens[: (place + 1) * config["block_size"]])
            owners[row, place] = first.setdefault(here, (row, place))
    return owners


def _learn(
    state: State,
    scenario: Scenario,
    owners: dict[tuple[int, int], tuple[int, int]],
    known: dict[int, tuple[int, int]],
) -> None:
    """Whose the digests are that requests have written down."""
    for one in state.live[(state.live["status"] != ABSENT) & (state.live["keyed"] > 0)]:
        keys = state.keys["digest"][one["table"] : one["table"] + one["keyed"]]
        for place, digest in enumerate(keys.tolist()):
            known[digest] = owners[int(one["name"]), place]


def _held(state: State, known: dict[int, tuple[int, int]]) -> list[list[int]]:
    """Row and place of each block, and how many read it (-1: it is not there yet), first what would go first."""
    held, tier = [], state.engines[state.engines["tier"][0]]
    block = tier["head"]
    while block != NONE:
        one = state.blocks[block]
        if one["digest"]:
            refs = int(one["refs"]) if one["ready"] <= tier["calls"] - 1 else -1
            held.append([*known[int(one["digest"])], refs])
        block = one["after"]
    return held
