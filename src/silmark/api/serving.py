"""What is asked of the engine beside the plan: chunks of prompts, a draft model, caches that wait elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from silmark import models
from silmark.api import question
from silmark.api.question import Count
from silmark.errors import BadValue
from silmark.estimation import Estimate, Serving
from silmark.estimation import estimate as run_estimate
from silmark.estimation.drafts import copies, speculate
from silmark.estimation.mixture import Mixture
from silmark.figures import Interval
from silmark.mapping import Infeasible
from silmark.models import Model
from silmark.step import Maturity, StepModel
from silmark.workloads import Workload


@dataclass(frozen=True, slots=True)
class Draft:
    """A model that drafts.

    Attributes:
        model: the small one.
        acceptance: chance that a drafted token is kept.
        tokens: drafted per cycle, None for the best number.
    """

    model: Model
    acceptance: Interval
    tokens: int | None


@dataclass(frozen=True)
class Asked:
    """What an engine is told.

    Attributes:
        serving: what holds for every plan.
        draft: a draft model, to be laid on the chips of each plan.
    """

    serving: Serving
    draft: Draft | None

    def answer(self, compiled: StepModel, workload: Workload, maturity: Maturity) -> Estimate | Infeasible:
        """The estimate of a plan under what is asked."""
        if self.draft is None:
            return run_estimate(compiled, workload, True, self.serving)
        if compiled.model.kind != "decoder":
            return Infeasible(f"{compiled.model.name} makes no tokens that a draft could guess")
        drafts = copies(compiled, self.draft.model, maturity)
        if isinstance(drafts, Infeasible):
            return drafts
        found = speculate(compiled, workload, drafts, self.draft.acceptance, self.draft.tokens, self.serving)
        return found.estimate() if isinstance(found, Mixture) else found

    @cached_property
    def words(self) -> dict[str, str]:
        """What was asked, for the answer's question."""
        said = {}
        if self.serving.chunk is not None:
            said["chunk"] = str(self.serving.chunk)
        if self.serving.offload:
            said["offload"] = self.serving.offload
        if self.draft is not None:
            share = self.draft.acceptance
            said["draft"] = self.draft.model.name
            said["draft_tokens"] = str(self.draft.tokens or "auto")
            said["acceptance"] = ":".join(f"{x:g}" for x in dict.fromkeys((share.low, share.mid, share.high)))
        return said


def asked(
    chunk: Count | None = None,
    offload: str = "none",
    draft: str | None = None,
    acceptance: str | float | None = None,
    draft_tokens: Count = "auto",
) -> Asked:
    """Checks what is typed.

    Args:
        chunk: most prompt tokens of one pass; None: whole prompts.
        offload: memory tier of caches that wait for their session's next request; "none": they are dropped.
        draft: name or file of a draft model.
        acceptance: chance that a drafted token is kept: 0.7, or "0.6:0.7:0.8" with its interval.
        draft_tokens: tokens drafted per cycle, "auto" for the best number.

    Raises:
        SilmarkError: a name that is unknown or a value that makes no sense.
    """
    serving = Serving(
        chunk=None if chunk is None else question.whole("chunk", chunk), offload="" if offload == "none" else offload
    )
    if draft is None:
        if acceptance is not None:
            raise BadValue("acceptance", acceptance, "a draft model beside it, such as --draft llama-3.2-1b")
        return Asked(serving, None)
    if acceptance is None:
        raise BadValue("acceptance", acceptance, "how often the draft is right, such as 0.7 or 0.6:0.7:0.8")
    tokens = None if draft_tokens == "auto" else question.whole("draft-tokens", draft_tokens)
    small = models.load(draft)
    if small.kind != "decoder":
        raise BadValue("draft", draft, f"a model that makes tokens; this is a {small.kind}")
    return Asked(serving, Draft(small, question.share("acceptance", acceptance), tokens))
