"""Predictions of a fixed grid of questions, kept and compared: what a change of the code does to the numbers.

questions   the grid of data/grid as a list that any version can be asked
ask         asks it, through the public functions alone; also a script that runs under another version
revision    the answers of another revision of the checkout
store       files of `--snapshot`
"""

from silmark.api.snapshot.store import against, take, write

__all__ = ["against", "take", "write"]
