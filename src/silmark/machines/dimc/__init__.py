"""Digital in-memory compute: bit-serial arrays beside the SRAM that holds the weights."""

from silmark.machines.dimc.machine import InMemory

__all__ = ["InMemory"]
