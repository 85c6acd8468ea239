"""Fleets: replicas in pools, as the core takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from silmark.errors import BadValue
from silmark.fabric import Link
from silmark.mapping import Infeasible
from silmark.serving.fleet_arrays import Condition, Pool, control
from silmark.serving.fleet_options import MOST_REPLICAS, Fault, Led
from silmark.serving.options import EngineOptions
from silmark.serving.replica import Replica
from silmark.step import StepModel, compile_step
from silmark.systems import Target
from silmark.systems.spec import Level

if TYPE_CHECKING:  # numba takes half a second to import
    from silmark.serving.kernel.clock import Clock
    from silmark.serving.simulate import Fleet

__all__ = ["Members", "Pool", "fleet", "pools_of"]


@dataclass(frozen=True, slots=True)
class Members:
    """A fleet as it was asked for.

    Attributes:
        pools: its replicas; the pool that users' tokens come from is the last.
        led: router, autoscaler, faults.
    """

    pools: tuple[Pool, ...]
    led: Led

    @property
    def chips(self) -> int:
        """Chips of all replicas; with an autoscaler, of as many as it may start."""
        pools = _checked(self.pools, self.led)
        return sum(pool.count * pool.replica.chips for pool in pools)


@dataclass(frozen=True, slots=True)
class _Degraded(Target):
    """A target whose links carry a share of their bandwidth."""

    share: float = 1.0

    def link(self, level: Level) -> Link:
        """The link class with what is left of it."""
        whole = Target.link(self, level)
        return replace(
            whole,
            bandwidth_bytes_per_s=whole.bandwidth_bytes_per_s * self.share,
            beyond_bytes_per_s=whole.beyond_bytes_per_s * self.share,
        )


def fleet(pools: Sequence[Pool], led: Led | None = None, seed: int = 0) -> Fleet:
    """Pools of replicas behind a router.

    Args:
        pools: one with role "both"; or such with "prefill" and such with "decode".
        led: router, autoscaler, faults.
        seed: of chances.

    Raises:
        BadValue: pools that cannot work together, a fault of a replica that is not there.
    """
    from silmark.serving.simulate import Fleet  # noqa: PLC0415 - numba takes half a second to import
    from silmark.serving.times import stack  # noqa: PLC0415

    led = led or Led()
    pools = _checked(pools, led)
    of = np.repeat(np.arange(len(pools)), [pool.count for pool in pools])
    changes = _changes(of, led.faults)
    states = list(dict.fromkeys([Condition(i) for i in range(len(pools))] + [state for _, _, state, _ in changes]))
    clocks = [_clock(pools[state.pool].replica, state) for state in states]
    return Fleet(
        kinds=tuple(_options(pools[state.pool], led) for state in states),
        clock=stack(clocks),
        replicas=tuple(int(i) for i in of),
        control=control(pools, of, led, states, changes, seed),
    )


def _options(pool: Pool, led: Led) -> EngineOptions:
    """What an engine is told: one with another pool takes KV and keeps it (vLLM's kv_both), one with a tier takes it.

    vLLM's offloading connector is kv_both too, but a token is not thrown away for it (requires_kv_delivery). SGLang's
    that decode for a pool that prefills have no prefix cache (disaggregation_decode_enable_radix_cache is off) and ask
    for KV in the order of arrival.
    """
    options = pool.replica.options
    if pool.role == "decode" and options.policy == "sglang":
        return replace(options, kv_role="consumer", enable_prefix_caching=False, schedule_policy="fcfs")
    if pool.role != "both":
        return replace(options, kv_role="both")
    return options if led.offload is None else replace(options, kv_role="consumer")


def members(found: Replica) -> Members:
    """The replicas of a plan, which share the requests one after the other."""
    return Members(pools_of(found), Led())


def pools_of(found: Replica, helper: Pool | None = None) -> tuple[Pool, ...]:
    """The replicas of a plan; with a pool that prefills for them, they decode."""
    if helper is None:
        return (Pool(found, found.count),)
    return helper, Pool(found, found.count, "decode")


def _check_policies(pools: Sequence[Pool], led: Led) -> None:
    """Raises BadValue for schedulers that cannot decode what another pool prefills."""
    prefill = [pool.replica.options.policy for pool in pools if pool.role == "prefill"]
    for decode in (pool.replica.options.policy for pool in pools if pool.role == "decode"):
        if decode not in ("vllm", "sglang"):
            raise BadValue("policy", decode, "vllm or sglang for the pool that decodes: it fetches KV")
        if decode == "sglang" and set(prefill) != {"sglang"}:
            raise BadValue("policy", ", ".join(prefill), "sglang for the pool that prefills for SGLang")
        if decode == "sglang" and led.non_cached_tokens > 0:
            raise BadValue("non-cached-tokens", led.non_cached_tokens, "0: SGLang's pool that decodes cannot prefill")


def _checked(pools: Sequence[Pool], led: Led) -> list[Pool]:
    """The pools, with as many replicas as an autoscaler may start; raises BadValue."""
    roles = {pool.role for pool in pools}
    if roles not in ({"both"}, {"prefill", "decode"}):
        raise BadValue("pools", ", ".join(sorted(roles)), "replicas that do both, or pools for prefill and for decode")
    _check_policies(pools, led)
    scale = led.autoscale
    if scale is not None:
        growing = [i for i, pool in enumerate(pools) if pool.role != "prefill"]
        if len(growing) > 1:
            raise BadValue("autoscale", f"{len(growing)} pools", "one pool of equal replicas to start and stop")
        pools = [replace(pool, count=scale.most) if i in growing else pool for i, pool in enumerate(pools)]
    count = sum(pool.count for pool in pools)
    if count > MOST_REPLICAS or any(pool.count < 1 for pool in pools):
        raise BadValue("replicas", count, f"at least 1 per pool, and at most {MOST_REPLICAS:,}")
    return list(pools)


def _clock(found: Replica, state: Condition) -> Clock:
    """Step times of a replica in a state."""
    from silmark.serving.times import clock  # noqa: PLC0415 - numba takes half a second to import

    model = found.step_model if state.link == 1.0 else _degraded(found.step_model, state.link)
    whole = clock(model, found.options)
    if state.speed == 1.0:
        return whole
    times = {name: getattr(whole, name) / state.speed for name in whole._fields if name.endswith("_ns")}
    floats = ("area_ns", "mixed_ns", "prompt_ns")
    return whole._replace(
        **{name: at if name in floats else np.rint(at).astype(np.int64) for name, at in times.items()}
    )


def _degraded(model: StepModel, share: float) -> StepModel:
    """The same replica over links that carry a share of their bandwidth."""
    target = model.target
    slower = compile_step(
        model.model,
        _Degraded(target.chip, target.system, target.count, share),
        model.plan,
        "equal" if model.maturity is None else "own",
    )
    assert not isinstance(slower, Infeasible)  # slower links change no capacity
    return slower


def _changes(of: NDArray[np.int64], faults: Sequence[Fault]) -> list[tuple[float, int, Condition, bool]]:
    """When replicas change, into which state, and whether they work then; by time."""
    for fault in faults:
        if fault.replica is not None and not 0 <= fault.replica < of.size:
            raise BadValue("faults", f"replica {fault.replica}", f"one of the replicas 0 to {of.size - 1}")
    found = []
    for number, pool in enumerate(of):
        own = [fault for fault in faults if fault.replica in (None, number)]
        for time in sorted({moment for fault in own for moment in (fault.start_s, fault.end_s)}):
            now = [fault for fault in own if fault.start_s <= time < fault.end_s]
            speed = float(np.prod([fault.share for fault in now if fault.kind == "throttle"]))
            link = float(np.prod([fault.share for fault in now if fault.kind == "link"]))
            works = all(fault.kind != "down" for fault in now)
            found.append((time, number, Condition(int(pool), speed, link), works))
    return sorted(found, key=lambda change: change[:2])
