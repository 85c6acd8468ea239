"""What each engine's scheduler decides in a step, one file per engine."""

from silmark.serving.jit import door, inner
from silmark.serving.kernel.state import State
from silmark.serving.policies import sglang, trtllm, vllm


@inner
def _nothing(state: State, replica: int, steps: int) -> None:
    """Runs of decode steps change nothing that this policy keeps."""


schedule = door(vllm.schedule, sglang.schedule, trtllm.schedule)
"""Decides one step of an engine by its own rules: writes `members` of its newest batch, returns how many."""
admits_later = door(vllm.admits_later, sglang.admits_later, trtllm.admits_later)
"""Whether waiting requests stay where they are as long as the running ones only decode and none of them ends."""
ran = door(_nothing, sglang.ran, _nothing)
"""Told that so many decode steps were run at once, after their blocks were handed out."""
