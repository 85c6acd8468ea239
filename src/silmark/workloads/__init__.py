"""What is asked of a model: one step, and the requests that a user sends."""

from silmark.workloads.step import Step
from silmark.workloads.workload import WORKLOADS, Workload

__all__ = ["WORKLOADS", "Step", "Workload"]
