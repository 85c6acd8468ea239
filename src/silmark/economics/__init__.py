"""Dollars, joules and carbon: what machines cost to have and to run, per second, token and life."""

from silmark.economics.bill import Bill, CostRate, bill, cost_rate, public
from silmark.economics.price import Price, price
from silmark.economics.running import Machines

__all__ = ["Bill", "CostRate", "Machines", "Price", "bill", "cost_rate", "price", "public"]
