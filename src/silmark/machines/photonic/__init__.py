"""Photonic tensor core: weights as light modulators or as an interferometer mesh, converters, a digital part beside."""

from silmark.machines.photonic.machine import Photonic

__all__ = ["Photonic"]
