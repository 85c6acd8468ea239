"""Draws answers: tables, JSON, plots, explanations."""
