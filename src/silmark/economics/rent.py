"""Which price holds for a target: its own, or a rent on demand, reserved for a year, or spot.

A rent on demand or spot is paid while the system works; a reservation is paid all the time.
"""

from __future__ import annotations

from typing import Literal

from silmark.economics.capital import Purchase
from silmark.economics.terms import Terms, cloud
from silmark.figures import Figure
from silmark.systems import Target

Pay = Literal["auto", "own", "rent", "reserved", "spot"]
PAYS: tuple[Pay, ...] = ("auto", "own", "rent", "reserved", "spot")
_OWN, _RENT = "price.purchase", "price.cloud"


def purchase(target: Target, pay: Pay = "auto", own: Terms | None = None) -> Purchase | None:
    """The price that holds for a target; None where none of that kind is public.

    Args:
        target: the chips in their system.
        pay: auto takes what is public first of: the unit's price, the chip's, the chip's rent, the unit's.
        own: figures `chip.price.*` and `system.price.*` that stand in for those of the files, before all others.
    """
    if pay == "auto":
        return _first(target, (_OWN, _RENT), own or {})
    if pay in ("own", "rent"):
        return _first(target, (_OWN if pay == "own" else _RENT,), own or {})
    return _discounted(target, pay, own or {})


def _first(target: Target, kinds: tuple[str, ...], own: Terms) -> Purchase | None:
    places = [
        (prefix, kind) for kind in kinds for prefix in (("system.", "chip.") if kind == _OWN else ("chip.", "system."))
    ]
    for prefix, kind in places:
        if prefix + kind in own:
            return _purchase(prefix, kind, own[prefix + kind], target)
    files = {"chip.": target.chip.figures, "system.": target.system.figures}
    for prefix, kind in places:
        # A unit's price holds for the chip that it is sold with, not for the others of its `also` list.
        elsewhere = (prefix, kind) == ("system.", _OWN) and target.system.chip != target.chip.id
        if kind in files[prefix] and not elsewhere:
            return _purchase(prefix, kind, files[prefix][kind], target)
    return None


def _purchase(prefix: str, kind: str, figure: Figure, target: Target) -> Purchase:
    whole = prefix == "system."
    basis = "own" if kind == _OWN else "rent"
    share = 1.0 / target.system.chips if whole else 1.0
    return Purchase(basis, {prefix + kind: figure}, share, hosts=basis == "own" and not whole)


def _discounted(target: Target, pay: Pay, own: Terms) -> Purchase | None:
    """The chip's own rent of that kind, else a share of its rent on demand."""
    key = f"{pay}.{target.chip.id}"
    if key in cloud():
        return Purchase(pay, {key: cloud()[key]}, 1.0)
    full = _first(target, (_RENT,), own)
    share = f"cloud.{pay}_share"
    if full is None or share not in own:
        return None
    return Purchase(pay, {**full.inputs, share: own[share]}, full.share)
