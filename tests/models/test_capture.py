"""FLOPs counted independently: transformers builds the model on torch's meta device and every product is recorded.

Attention and routed experts are registered as opaque operators, so that queries, keys and windows are seen before
they are expanded; everything else is recorded as matrix products.
"""

import collections
import json
from importlib import import_module

import pytest

from silmark import models
from silmark.figures.tables import data_folder
from silmark.graph import Attention, Experts, count
from silmark.workloads.step import Step

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'silmark[torch]'")
transformers = pytest.importorskip("transformers", reason="transformers is not installed: pip install 'silmark[torch]'")
pytestmark = [pytest.mark.torch, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@torch.library.custom_op("silmark_test::attention", mutates_args=())
def _attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, window: int) -> torch.Tensor:
    raise NotImplementedError


@_attention.register_fake
def _(q, k, v, window):
    return q.new_empty(q.shape[0], q.shape[2], q.shape[1], v.shape[3])


@torch.library.custom_op("silmark_test::experts", mutates_args=())
def _experts(x: torch.Tensor, index: torch.Tensor, up: torch.Tensor, down: torch.Tensor) -> torch.Tensor:
    raise NotImplementedError


@_experts.register_fake
def _(x, index, up, down):
    return torch.empty_like(x)


class _Record(torch.utils._python_dispatch.TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.flops: collections.Counter[str] = collections.Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.name()
        if name in ("aten::mm", "aten::addmm"):
            a, b = args[-2:]
            self.flops["products"] += 2 * a.numel() * b.shape[-1]
        elif name == "silmark_test::attention":
            q, k, v, window = args
            new, seen = q.shape[2], k.shape[2]
            pairs = sum(min(window or seen, seen - new + i) for i in range(1, new + 1))
            self.flops["attention"] += 2 * q.shape[0] * q.shape[1] * pairs * (q.shape[3] + v.shape[3])
        elif name == "silmark_test::experts":
            _, index, up, down = args
            self.flops["experts"] += 2 * index.numel() * (up[0].numel() + down[0].numel())
        return func(*args, **(kwargs or {}))


@pytest.fixture
def meta(monkeypatch: pytest.MonkeyPatch):
    """Builds a catalogue model on the meta device with the opaque operators in place."""
    masking = import_module("transformers.masking_utils")
    attentions = import_module("transformers.modeling_utils").AttentionInterface
    experts = import_module("transformers.integrations.moe").ALL_EXPERTS_FUNCTIONS

    def attend(module, q, k, v, mask, scaling=None, dropout=0.0, **rest):
        return torch.ops.silmark_test.attention(q, k, v, int(rest.get("sliding_window") or 0)), None

    def route(self, hidden, index, weights):
        return torch.ops.silmark_test.experts(hidden, index, self.gate_up_proj, self.down_proj)

    attentions.register("silmark_test", attend)
    masking.AttentionMaskInterface.register("silmark_test", lambda *a, **k: None)
    experts.register("silmark_test", route)
    # This helper asks a tensor for its value, which the meta device cannot give.
    monkeypatch.setattr(masking, "find_packed_sequence_indices", lambda positions: None)

    def build(name: str):
        values = json.loads((data_folder() / "models" / f"{name}.json").read_text())
        values.pop("quantization_config", None)
        config = transformers.CONFIG_MAPPING[values.pop("model_type")](**values)
        config._experts_implementation = "silmark_test"
        with torch.device("meta"):
            return transformers.AutoModelForCausalLM.from_config(config, attn_implementation="silmark_test").eval()

    return build


def _captured(model, seqs: int, new: int, past: int) -> collections.Counter[str]:
    cache = transformers.DynamicCache(config=model.config)
    with torch.no_grad():
        if past:
            model(input_ids=torch.zeros(seqs, past, dtype=torch.long, device="meta"), past_key_values=cache)
        with _Record() as record:
            model(input_ids=torch.zeros(seqs, new, dtype=torch.long, device="meta"), past_key_values=cache)
    return record.flops


CASES = [
    ("llama-3-70b", 1, 2048, 0),
    ("llama-3-70b", 64, 1, 4095),
    ("mixtral-8x7b", 1, 2048, 0),
    ("mixtral-8x7b", 8, 1, 1000),
    ("gpt-oss-120b", 1, 2048, 0),
    ("deepseek-v3", 1, 2048, 0),
]


@pytest.mark.parametrize(("name", "seqs", "new", "past"), CASES)
def test_equals_capture(meta, name: str, seqs: int, new: int, past: int) -> None:
    flops = _captured(meta(name), seqs, new, past)
    # The capture has logits for all tokens, as a forward step has.
    step = Step.decode(seqs, past) if past else Step.forward(seqs, new)
    graph = models.load(name).lower(step)
    routed = float(count(tuple(op for op in graph if isinstance(op, Experts))).matrix_flops)
    attention = float(count(tuple(op for op in graph if isinstance(op, Attention))).attention_flops)
    products = float(count(graph).matrix_flops) - routed
    assert (products, attention, routed) == pytest.approx((flops["products"], flops["attention"], flops["experts"]))
