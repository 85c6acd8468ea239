"""Numbers with unit, source, grade and interval."""

from silmark.figures.assumptions import assumptions
from silmark.figures.figure import Figure, Grade, Interval
from silmark.figures.sources import Source, load_sources
from silmark.figures.units import UNITS, dimension, to_si

__all__ = ["UNITS", "Figure", "Grade", "Interval", "Source", "assumptions", "dimension", "load_sources", "to_si"]
