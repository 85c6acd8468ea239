"""The families: which function reads which `model_type` (or `architectures` entry). A new family adds a line."""

from __future__ import annotations

from collections.abc import Callable

from silmark.models.config import Config
from silmark.models.families import delta, encoder, gemma, gpt, llama, mla, moe, sampler, ssm, vision
from silmark.models.spec import Model

Parser = Callable[[Config], Model]

FAMILIES: dict[str, Parser] = {
    "llama": llama.llama,
    "LlamaForCausalLM": llama.llama,
    "mistral": llama.mistral,
    "MistralForCausalLM": llama.mistral,
    "phi3": llama.mistral,
    "qwen2": llama.qwen2,
    "Qwen2ForCausalLM": llama.qwen2,
    "qwen3": llama.qwen3,
    "Qwen3ForCausalLM": llama.qwen3,
    "qwen3_vl_text": llama.qwen3,
    "olmo2": llama.olmo2,
    "gpt2": gpt.gpt2,
    "gpt_bigcode": gpt.gpt2,
    "opt": gpt.opt,
    "mpt": gpt.mpt,
    "gptj": gpt.gptj,
    "gpt_neox": gpt.gpt_neox,
    "falcon": gpt.falcon,
    "RefinedWeb": gpt.falcon,
    "RefinedWebModel": gpt.falcon,
    "phi": gpt.phi,
    "palm": gpt.palm,
    "gemma": gemma.gemma,
    "gemma2": gemma.gemma2,
    "gemma3_text": gemma.gemma3,
    "mixtral": moe.mixtral,
    "qwen2_moe": moe.qwen_moe,
    "qwen3_moe": moe.qwen_moe,
    "qwen3_vl_moe_text": moe.qwen_moe,
    "gpt_oss": moe.gpt_oss,
    "llama4_text": moe.llama4,
    "minimax_m2": moe.minimax_m2,
    "glm4_moe": moe.glm4_moe,
    "deepseek_v2": mla.deepseek,
    "deepseek_v3": mla.deepseek,
    "kimi_k2": mla.deepseek,
    "DeepseekV3ForCausalLM": mla.deepseek,
    "deepseek_v32": mla.deepseek,
    "glm_moe_dsa": mla.deepseek,
    "qwen3_next": delta.qwen3_5_moe,
    "qwen3_5_moe_text": delta.qwen3_5_moe,
    "kimi_linear": delta.kimi_linear,
    "mamba2": ssm.mamba2,
    "mamba_ssm": ssm.mamba_ssm,
    "nemotron_h": ssm.nemotron_h,
    "bert": encoder.bert,
    "roberta": encoder.bert,
    "xlm-roberta": encoder.bert,
    "resnet": vision.resnet,
    "ising": sampler.sampler,
    "dtm": sampler.sampler,
}
