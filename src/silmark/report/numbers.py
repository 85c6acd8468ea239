"""Numbers for people, under the name by which everything that draws knows them."""

from silmark.figures.numbers import shown, si, spread, three

__all__ = ["shown", "si", "spread", "three"]
