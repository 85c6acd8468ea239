"""The documented shapes of silmark.train/1 and silmark.search-train/1, as pydantic models; rules as in `schema`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from silmark.report.documents import Bounds, Strict

_Status = Literal["ok", "cannot-run", "infeasible"]
_Recompute = Literal["none", "selective", "alternate", "full"]


class TrainingMemory(Strict):
    """Bytes on the fullest chip."""

    weights: float
    gradients: float
    optimizer: float
    activations: float
    capacity: float


class TrainingParts(Strict):
    """Seconds of a step by cause; they add up to it."""

    matrix: float
    experts: float
    attention: float
    stream: float
    host: float
    tensor_link: float = Field(description="exchanges inside a layer")
    replica_link: float = Field(description="exchanges between replicas that compute does not hide")
    bubble: float = Field(description="pipeline bubble and sends")
    optimizer: float


class TrainingDocument(Strict):
    """One optimizer step."""

    step_s: Bounds
    tokens_per_s: Bounds
    tokens_per_s_chip: Bounds
    flops_chip: Bounds = Field(description="model FLOP/s per chip")
    mfu: Bounds
    hfu: Bounds = Field(description="with what is computed a second time")
    power_w: Bounds = Field(description="the job's chips and their hosts")
    joules_per_token: Bounds
    parts_s: TrainingParts
    memory_bytes: TrainingMemory | None = Field(description="null where weights stream by")
    bound_by: str
    grade: str
    sources: list[str]
    notes: list[str]


class TrainDocument(Strict):
    """`silmark train --json`."""

    schema_: Literal["silmark.train/1"] = Field(alias="schema")
    question: dict[str, str]
    chip: str
    system: str
    status: _Status
    reason: str
    training: TrainingDocument | None


class RunDocument(Strict):
    """A whole run, without failures and checkpoints."""

    tokens: float
    days: Bounds
    joules: Bounds
    usd: Bounds | None


class TrainingPlan(Strict):
    """One plan with error bars."""

    text: str
    tp: int
    pp: int
    dp: int
    cp: int
    micro: int = Field(description="sequences that a replica takes at a time")
    interleave: int = Field(description="model chunks per stage")
    zero: int = Field(description="what replicas divide: 0 nothing, 1 optimizer states, 2 and gradients, 3 all")
    recompute: _Recompute
    chips: int
    headroom_bytes: float | None = Field(description="left on the fullest chip; null where weights stream by")
    usd_per_mtok: Bounds | None
    price_basis: str | None
    run: RunDocument | None
    training: TrainingDocument


class TrainingVerdict(Strict):
    """Who is best at an objective, the best plan of another tp x pp x dp, and why it lost."""

    objective: Literal["speed", "efficiency"]
    plan: TrainingPlan
    second: TrainingPlan | None
    ratio: float = Field(description="of step time, or of chip time: the second's over the winner's")
    why: str


class TrainingRejected(Strict):
    """Plans that cannot be, by reason."""

    reason: str
    plans: int


class TrainingCurve(Strict):
    """Least seconds of a step by chips: every plan that no other beats with as many chips or fewer."""

    chips: list[int]
    step_s: list[float]


class SearchTrainQuestion(Strict):
    """What was asked, after defaults."""

    model: str
    on: str
    global_batch: int
    sequence: int
    cp: int
    precision: str
    stack: str
    tokens: float | None
    fixed: dict[str, str]


class SearchTrainDocument(Strict):
    """`silmark search --train --json`."""

    schema_: Literal["silmark.search-train/1"] = Field(alias="schema")
    question: SearchTrainQuestion
    chip: str
    system: str
    status: _Status
    reason: str
    tried: int
    fit: int
    rejected: list[TrainingRejected]
    best: list[TrainingVerdict]
    frontier: list[TrainingPlan]
    curve: TrainingCurve
