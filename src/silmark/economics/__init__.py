"""Dollars: capital amortised and electricity, or rent."""

from silmark.economics.price import Price, price

__all__ = ["Price", "price"]
