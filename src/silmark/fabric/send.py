"""Send: one message from one chip to another; on fabrics without switches one link of several carries it."""

from __future__ import annotations

from silmark.fabric.terms import Algorithm

ALGORITHMS: dict[str, Algorithm] = {
    "send_direct": Algorithm(lambda n, s: 1 / s.pair, lambda n, s: 1.0),
}
