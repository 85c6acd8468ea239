"""Dollars, joules and carbon: what machines cost to have and to run, per second, token and life."""

from silmark.economics.bill import Bill, CostRate, bill, cost_rate, in_full, short
from silmark.economics.price import Price, price

__all__ = ["Bill", "CostRate", "Price", "bill", "cost_rate", "in_full", "price", "short"]
