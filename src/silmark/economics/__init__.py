"""Dollars: capital amortised and electricity, or rent."""

from silmark.economics.bill import CostRate, cost_rate
from silmark.economics.price import Price, price

__all__ = ["CostRate", "Price", "cost_rate", "price"]
