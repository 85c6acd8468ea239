"""From a compiled plan and a workload to an estimate."""

from __future__ import annotations

import math

from silmark.errors import BadValue
from silmark.estimation.mixture import Mixture
from silmark.estimation.result import Estimate
from silmark.estimation.serving import PLAIN, Serving
from silmark.estimation.single_pass import Pass
from silmark.mapping import Infeasible
from silmark.step import StepModel
from silmark.workloads import Workload


def prepare(
    step_model: StepModel, workload: Workload, quick: bool = False, serving: Serving = PLAIN
) -> Mixture | Pass | Infeasible:
    """Evaluates the steps of a workload over batches and picks the best, without its error bars yet.

    Args:
        step_model: one replica.
        workload: what is asked of the whole system.
        quick: read the step model's tables instead of walking the operators.
        serving: what the engine is told beside the plan.

    Returns:
        The evaluated batches; Infeasible if the cache of one sequence, or of all that are asked, does not fit.
    """
    if step_model.model.kind != "decoder":
        return Pass(step_model, workload)
    final = workload.prompt + workload.output
    if serving.offload and not workload.reuse:
        raise BadValue("offload", serving.offload, "prompts of which a cache is reused: --reuse above 0")
    speculation = serving.speculation
    most = step_model.memory.sequences(final) if speculation is None else speculation.sequences(step_model, final)
    if isinstance(most, Infeasible):
        return most
    if most < 1:
        need = float(step_model.memory.per_sequence(final))
        return Infeasible(
            f"the cache of one sequence of {final} tokens takes {need / 1e9:.3g} GB per chip, "
            f"{step_model.memory.capacity / 1e9:.3g} GB are free"
        )
    replicas = step_model.plan.dp
    if workload.users is not None and math.ceil(workload.users / replicas) > most:
        return Infeasible(f"the cache of {workload.users} sequences does not fit; that of {most * replicas} does")
    return Mixture(step_model, workload, most, quick, serving=serving)


def estimate(
    step_model: StepModel, workload: Workload, quick: bool = False, serving: Serving = PLAIN
) -> Estimate | Infeasible:
    """Steady state at the batch that maximises throughput within the workload's promises.

    The estimate's `misses` names a promise that no batch keeps.
    """
    prepared = prepare(step_model, workload, quick, serving)
    return prepared if isinstance(prepared, Infeasible) else prepared.estimate()
