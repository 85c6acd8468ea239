"""What is written down on the way: steps, and the fleet at evenly spaced moments."""

from __future__ import annotations

from silmark.serving.jit import inner
from silmark.serving.kernel.state import State


@inner
def log_steps(state: State, replica: int, start_ns: int, end_ns: int, count: int, prefill: int, decoders: int) -> None:
    """Writes `count` equal steps down, if steps are kept."""
    totals, engine = state.totals[0], state.engines[replica]
    if not totals["log_steps"]:
        return
    row = state.steps[totals["steps"]]
    totals["steps"] += 1
    row["start_ns"] = start_ns
    row["end_ns"] = end_ns
    row["count"] = count
    row["replica"] = replica
    row["prefill_tokens"] = prefill
    row["decoders"] = decoders
    row["running"] = engine["running"]
    row["waiting"] = engine["waiting"]
    row["free_blocks"] = engine["free"]


@inner
def log_transfer(state: State, request: int, source: int, target: int, tokens: int, start_ns: int, end_ns: int) -> None:
    """Writes a transfer of KV down, if steps are kept and there is room."""
    totals = state.totals[0]
    if not totals["log_steps"] or totals["moves"] == state.moves.size:
        return
    row = state.moves[totals["moves"]]
    totals["moves"] += 1
    row["asked_ns"] = totals["now"]
    row["start_ns"] = start_ns
    row["end_ns"] = end_ns
    row["name"] = state.live[request]["name"]
    row["tokens"] = tokens
    row["source"] = source
    row["target"] = target


@inner
def sample(state: State) -> None:
    """Notes the state of the fleet when a sample is due; a full series keeps every second one and goes half as fast."""
    totals, samples = state.totals[0], state.samples
    if totals["now"] < totals["sample_at"]:
        return
    if totals["samples"] == samples.size:
        for i in range(samples.size // 2):
            samples[i]["time_ns"] = samples[2 * i]["time_ns"]
            samples[i]["running"] = samples[2 * i]["running"]
            samples[i]["waiting"] = samples[2 * i]["waiting"]
            samples[i]["free_blocks"] = samples[2 * i]["free_blocks"]
        totals["samples"] = samples.size // 2
        totals["sample_every"] *= 2
    row = samples[totals["samples"]]
    totals["samples"] += 1
    row["time_ns"] = totals["now"]
    row["running"] = totals["running"]
    row["waiting"] = totals["waiting"]
    row["free_blocks"] = totals["free_blocks"]
    totals["sample_at"] = totals["now"] + totals["sample_every"]
