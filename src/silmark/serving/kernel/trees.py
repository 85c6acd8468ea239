"""Rows of radix trees."""

from __future__ import annotations

import numpy as np

NODE = np.dtype(
    [
        ("digest", np.uint64),
        ("used", np.int64),
        ("parent", np.int64),
        ("length", np.int64),
        ("runs", np.int64),
        ("children", np.int64),
        ("locks", np.int64),
        ("listed", np.int64),
        ("older", np.int64),
        ("newer", np.int64),
    ],
    align=True,
)
"""A node of a radix tree: the digest of its parent and its first page; when it was last used; its parent (of a free one
the next free one), tokens, first run and number of children; requests that keep it; its neighbours in the list of
evictable leaves, if `listed`."""

RUN = np.dtype([("start", np.int64), ("length", np.int64), ("next", np.int64)], align=True)
"""Tokens of a node whose ids count up from `start`, and the run after it."""
