"""The best plans of a system or fleet for a workload, the fleet for a demand, and sweeps over many questions."""
