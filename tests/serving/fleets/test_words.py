"""Words for fleets: what they mean, and that no text brings a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from silmark.api.fleet import led
from silmark.errors import SilmarkError
from silmark.serving.fleet_options import Autoscale, Fault, Offload, Router, Scores


def test_words_mean_what_they_say() -> None:
    told = led(
        {
            "router": "kv:temperature=0.5",
            "prefill_router": "scores:prefix=3",
            "offload": "host:capacity=8GiB,restore=faster",
            "autoscale": "queue:target=4,min=2,max=6,every=1s,startup=0s",
            "faults": "replica 0 down 120s..3min; chip throttle 0.7 replica 1 0s..300s; link degrade 0.5 10s..20s",
            "on_fault": "migrate",
        }
    )
    assert told.router == Router("kv", temperature=0.5)
    assert told.prefill_router.scores == Scores(3.0, 0.0, 0.0, 0.0, 0.0)
    assert told.offload == Offload("host", 8 * 2**30, "faster")
    assert told.autoscale == Autoscale("queue", 4.0, 2, 6, 1.0, 300.0, 0.0)
    assert told.faults == (
        Fault("down", 120.0, 180.0, 0),
        Fault("throttle", 0.0, 300.0, 1, 0.7),
        Fault("link", 10.0, 20.0, None, 0.5),
    )


def test_faults_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "faults.toml"
    file.write_text('[[fault]]\nkind = "link"\nshare = 0.5\nfrom = "10s"\nuntil = "20s"\nreplica = 3\n')
    assert led({"faults": str(file)}).faults == (Fault("link", 10.0, 20.0, 3, 0.5),)
    file.write_text('[[fault]]\nkind = "flood"\nfrom = "10s"\nuntil = "20s"\n')
    with pytest.raises(SilmarkError, match="down, throttle, link"):
        led({"faults": str(file)})


@pytest.mark.parametrize(
    "words",
    [
        {"router": "best"},
        {"router": "kv:heat=2"},
        {"router": "kv:prefix=2"},
        {"offload": "host:capacity=8"},
        {"autoscale": "queue:min=4,max=2"},
        {"autoscale": "luck"},
        {"faults": "replica 0 sleeps"},
        {"faults": "replica 0 down 20s..10s"},
        {"faults": "replica 0 link degrade 0.5 replica 1 1s..2s"},
        {"faults": "chip throttle 0 1s..2s"},
        {"faults": "nowhere.toml"},
        {"on_fault": "cry"},
    ],
)
def test_refuses_what_makes_no_sense(words: dict[str, str]) -> None:
    with pytest.raises(SilmarkError):
        led(words)  # type: ignore[arg-type]


@given(st.sampled_from(["router", "offload", "autoscale", "faults"]), st.text(max_size=60))
def test_no_text_brings_a_traceback(name: str, text: str) -> None:
    try:
        led({name: text})  # type: ignore[misc]
    except SilmarkError:
        return


@given(st.text("replica down 0129.s;linkdegrathot", max_size=60))
def test_no_fault_brings_a_traceback(text: str) -> None:
    try:
        led({"faults": f"replica 0 {text} 1s..2s"})
    except SilmarkError:
        return
