"""What-if: chips, systems and models of the user's own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from silmark import api
from silmark.errors import SilmarkError
from silmark.estimation import Estimate
from silmark.models import catalogue

Own = Callable[[str, str], str]


def one(chip: str, **asked: object) -> Estimate:
    row = api.compare("llama-3.1-8b", chips=chip, batch=1, **asked).rows[0]  # type: ignore[arg-type]
    assert row.estimate is not None
    return row.estimate


def test_a_copy_answers_as_the_original(own_file: Own, h100_toml: str) -> None:
    mine = api.compare("llama-3.1-8b", chips=own_file(h100_toml, "copy.toml")).rows[0].as_dict()
    assert mine == api.compare("llama-3.1-8b", chips="h100").rows[0].as_dict()


def test_twice_the_bandwidth_is_faster(own_file: Own, h100_toml: str) -> None:
    text = h100_toml.replace('id = "nvidia-h100-sxm5-80gb"', 'id = "h100-twice"')
    text = text.replace("value = 3.35", "value = 6.7").replace("value = 2.903", "value = 5.806")
    before, after = one("h100"), one(own_file(text, "twice.toml"))
    assert after.step_model.target.chip.id == "h100-twice"
    assert before.tpot_s is not None
    assert after.tpot_s is not None
    assert after.tpot_s.mid < 0.8 * before.tpot_s.mid
    assert after.tpot_s.mid > 0.45 * before.tpot_s.mid


def test_an_own_chip_stands_beside_the_catalogue(own_file: Own, h100_toml: str) -> None:
    path = own_file(h100_toml.replace('id = "nvidia-h100-sxm5-80gb"', 'id = "mine"'), "mine.toml")
    answer = api.compare("llama-3.1-8b", chips=["h100", path, "groq"])
    assert {row.chip.id for row in answer.rows} == {"nvidia-h100-sxm5-80gb", "mine", "groq-groqchip-1"}


def test_more_memory_more_sequences(own_file: Own, h100_toml: str) -> None:
    text = h100_toml.replace('value = 80, unit = "GiB", low = 78.8, high = 80', 'value = 160, unit = "GiB"')
    small, large = (api.estimate("llama-3.1-8b", c).rows[0].estimate for c in ("h100", own_file(text, "m.toml")))
    assert small is not None
    assert large is not None
    assert large.batch_max > 2 * small.batch_max


def test_a_chip_that_lacks_an_operator_says_the_files_reason(own_file: Own, h100_toml: str) -> None:
    text = h100_toml.replace("[cannot]", '[cannot]\nattention = "No softmax on this one."')
    row = api.compare("llama-3.1-8b", chips=own_file(text, "c.toml")).rows[0]
    assert row.status == "cannot-run"
    assert "No softmax on this one." in row.reason


def test_a_system_of_ones_own(own_file: Own, hgx_toml: str) -> None:
    """A unit of four: it is named in the answer and sets the usual cut; slow links make slow tokens."""
    path = own_file(hgx_toml.replace('id = "hgx-h100-8"', 'id = "small"').replace("chips = 8", "chips = 4"), "s.toml")
    depth = api.estimate("llama-3.1-8b", path)
    assert depth.rows[0].as_dict()["system"] == "small"
    assert depth.rows[0].as_dict()["plan"]["tp"] == 4
    assert api.estimate("llama-3.1-8b", f"2x:{path}", tp=4, dp=2).rows[0].estimate.chips == 8  # type: ignore[union-attr]
    slow = own_file(hgx_toml.replace("value = 1.0", "value = 100").replace("high = 2.0", "high = 200"), "slow.toml")
    usual, slower = (api.estimate("llama-3.1-8b", on, tp=8, batch=1).rows[0].estimate for on in ("8x:h100", slow))
    assert usual is not None
    assert slower is not None
    assert slower.tpot_s.mid > 2 * usual.tpot_s.mid  # type: ignore[union-attr]


def test_a_config_of_ones_own(own_file: Own) -> None:
    text = (catalogue.data_folder() / "models" / "llama-3.1-8b.json").read_text(encoding="utf-8")
    half = json.loads(text) | {"num_hidden_layers": 16}
    whole, cut = (one_model(own_file(body, name)) for body, name in ((text, "a.json"), (json.dumps(half), "b.json")))
    assert cut.tpot_s.mid < whole.tpot_s.mid  # type: ignore[union-attr]
    assert whole.step_model.model.parameters == 8_030_261_248


def one_model(path: str) -> Estimate:
    found = api.estimate(path, "h100", batch=1).rows[0].estimate
    assert found is not None
    return found


CHIP: dict[str, tuple[str, str, str]] = {
    "wrong unit": ('value = 3.35, unit = "TB/s"', 'value = 3.35, unit = "GB"', "a unit of B/s"),
    "nan": ("value = 989.4", "value = nan", "finite number"),
    "inf": ("value = 989.4", "value = inf", "finite number"),
    "negative": ("value = 989.4", "value = -989.4", "finite number"),
    "400 digits": ("value = 989.4", "value = 1" + "0" * 400, "peak.bf16"),
    "unknown key": ("[memory.main]", "[memory.main]\nspeed = { value = 1, unit = 'B', source = 'x', grade = 'paper' }",
                    "memory.main.speed: not a key of a chip file"),
    "unknown format": ("[peak]", "[peak]\nbf61 = { value = 1, unit = 'FLOP/s', source = 'x', grade = 'assumed' }",
                       "bf61"),
    "a table twice": ("[compute]", "[peak]\n[compute]", "not valid TOML"),
    "family": ('family = "gpu"', 'family = "quantum"', "expected one of gpu"),
    "status": ('status = "shipping"', 'status = "soon"', "expected one of shipping"),
    "no limit": ("tdp = ", "tpd = ", "power.tpd"),
    "limit of zero": ("tdp = { value = 700", "tdp = { value = 0", "power.tdp"),
    "maturity of zero": ("maturity = { value = 1.0", "maturity = { value = 0", "software.maturity"),
    "links of zero": ("bandwidth = { value = 450", "bandwidth = { value = 0", "link.scale_up.bandwidth"),
    "names that are no list": ('aliases = ["h100", "h100-sxm"]', "aliases = 5", "aliases"),
    "unknown system": ('system = "hgx-h100-8"', 'system = "hgx-h100"', "hgx-h100-8"),
    "unknown operator": ("[cannot]", "[cannot]\nmagic = 'x'", "operators of gemm"),
    "tables in tables": ("[cannot]", "[" + ".".join("a" * 3000) + "]\nx = 1\n[cannot]", "nested"),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "expected"), CHIP.values(), ids=CHIP)
def test_broken_chips_are_refused(old: str, new: str, expected: str, own_file: Own, h100_toml: str) -> None:
    assert old in h100_toml
    with pytest.raises(SilmarkError) as caught:
        api.compare("llama-3.1-8b", chips=own_file(h100_toml.replace(old, new, 1), "mine.toml"), batch=1)
    assert expected in str(caught.value)
    assert "mine.toml" in str(caught.value) or "unknown system" in str(caught.value)
    assert len(str(caught.value)) < 800


@pytest.mark.parametrize("family", ["wafer", "dimc", "streaming", "photonic"])
def test_a_fact_that_another_family_needs_is_named(family: str, own_file: Own, h100_toml: str) -> None:
    with pytest.raises(SilmarkError, match=r"compute\.\w+"):
        api.compare("llama-3.1-8b", chips=own_file(h100_toml.replace('"gpu"', f'"{family}"'), "other.toml"))


SYSTEM: dict[str, tuple[str, str, str]] = {
    "chips": ("chips = 8", "chips = 0", "chips: expected a whole number from 1"),
    "fraction": ("chips = 8", "chips = 8.5", "chips: expected a whole number from 1"),
    "unknown chip": ('chip = "nvidia', 'chip = "nvida', "did you mean nvidia-h100-sxm5-80gb"),
    "topology": ('topology = "switch"', 'topology = "star"', "expected one of switch"),
    "kind": ('kind = "node"', 'kind = ["node"]', "kind"),
    "others that are no list": ("also = [", "also = 5 # [", "also"),
    "others that are a text": ("also = [", 'also = "abc" # [', "also"),
    "wrong unit": ('value = 50, unit = "GB/s"', 'value = 50, unit = "Gbit"', "a unit of B/s"),
    "unknown key": ("[power]", "[power]\nfan = { value = 1, source = 'x', grade = 'assumed' }", "power.fan"),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "expected"), SYSTEM.values(), ids=SYSTEM)
def test_broken_systems_are_refused(old: str, new: str, expected: str, own_file: Own, hgx_toml: str) -> None:
    assert old in hgx_toml
    with pytest.raises(SilmarkError) as caught:
        api.estimate("llama-3.1-8b", own_file(hgx_toml.replace(old, new, 1), "node.toml"))
    assert expected in str(caught.value)


def test_a_sampler_larger_than_the_chip_is_refused(tmp_path: Path) -> None:
    large = tmp_path / "config.json"
    large.write_text(
        '{"model_type": "ising", "nodes": 300000, "degree": 4, "colours": 2, "sweeps": 10, "steps": 1,'
        ' "reads": 300000, "writes": 0}'
    )
    row = api.compare(str(large), chips="extropic-z1").rows[0]
    assert row.status == "cannot-run"
    assert "300000 nodes" in row.reason
