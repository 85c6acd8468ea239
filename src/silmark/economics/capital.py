"""What machines cost to have: chips, hosts and network, written off in a straight line over the hours that they work.

capital per second of work = price / (years x utilisation)
interest                   = price x rate / 2 / utilisation    (on half of the price on average)

Utilisation is the share of its life that a machine works at the stated load.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from silmark.economics.ledger import Line
from silmark.figures import Figure
from silmark.systems import Target

HOSTS = "host.capital_share"
LIFE: Mapping[str, int] = {"capital.years": -1, "capital.utilisation": -1}
_PORT_BYTES_PER_S = 50e9
"""What `network.port` prices: 400 Gbit/s."""


@dataclass(frozen=True, slots=True)
class Purchase:
    """What is paid for one chip of a target.

    Attributes:
        basis: own, rent, reserved or spot.
        inputs: what the price is a product of: name -> figure.
        share: of that price that one chip takes: 1 for a chip's own price, 1 / chips for a unit's.
        hosts: whether hosts come on top, as a share of the chips' price.
    """

    basis: str
    inputs: Mapping[str, Figure]
    share: float
    hosts: bool = False

    @property
    def whole(self) -> bool:
        """Whether the price is that of a whole unit."""
        return "system.price.purchase" in self.inputs


@dataclass(frozen=True, slots=True)
class Asset:
    """Something that was bought: its price is `scale` times inputs."""

    name: str
    scale: float
    inputs: Mapping[str, int]

    def written_off(self) -> Line:
        """USD per second of work."""
        return Line(self.name, self.scale, {**self.inputs, **LIFE})

    def yearly(self, name: str, rate: str, factor: float = 1.0) -> Line:
        """USD per second of work of a cost that is a share of the price per year."""
        return Line(name, self.scale * factor, {**self.inputs, rate: 1, "capital.utilisation": -1})


def bought(purchase: Purchase, chips: float) -> list[Asset]:
    """Chips and the hosts around them."""
    price = dict.fromkeys(purchase.inputs, 1)
    pieces = chips * purchase.share
    found = [Asset("units" if purchase.whole else "chips", pieces, price)]
    return [*found, Asset("hosts", pieces, {**price, HOSTS: 1})] if purchase.hosts else found


def network(target: Target, chips: float) -> tuple[list[Asset], dict[str, Figure]]:
    """Switches, optics and cables between units, and the figure of the bandwidth that they carry."""
    key, bandwidth = next((k, f) for k, f in target.figures("out").items() if k.endswith("bandwidth"))
    return [Asset("network", chips / _PORT_BYTES_PER_S, {key: 1, "network.port": 1})], {key: bandwidth}
