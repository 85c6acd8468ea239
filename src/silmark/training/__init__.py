"""Training: one optimizer step on any chip - time by cause, memory, utilisation, and the reason where it cannot be."""

from silmark.training.estimate import TrainingEstimate, train
from silmark.training.job import RECOMPUTE, STACKS, Job, Recompute
from silmark.training.predict import predict_row

__all__ = ["RECOMPUTE", "STACKS", "Job", "Recompute", "TrainingEstimate", "predict_row", "train"]
