"""What each engine's scheduler decides in a step, one file per engine."""
