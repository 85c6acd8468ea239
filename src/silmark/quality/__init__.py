"""Output quality: a model run through a chip's arithmetic."""
