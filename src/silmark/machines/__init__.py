"""Machines: functional, cycle-counting virtual machines, each of one architecture."""
