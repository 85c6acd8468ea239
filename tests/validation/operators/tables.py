"""Small tables of every kind, as their sources write them."""

from __future__ import annotations

from silmark.validation.operators.columns import Columns

ROWS: dict[str, dict[str, str]] = {
    "gemm": {"system": "h100_sxm", "engine": "vllm", "gemm_dtype": "bfloat16", "m": "4096", "n": "4096", "k": "4096",
             "kernel_source": "torch.nn.functional.linear"},
    "attention-prefill": {"system": "h100_sxm", "engine": "vllm", "attn_dtype": "bfloat16",
                          "kv_cache_dtype": "bfloat16", "batch_size": "4", "num_heads": "32",
                          "num_key_value_heads": "8", "head_dim": "128", "isl": "2048", "kv_prefix_len": "0",
                          "kernel_source": "vllm_flash_attn_fa3", "window_size": "0"},
    "attention-decode": {"system": "h100_sxm", "engine": "vllm", "attn_dtype": "bfloat16", "kv_cache_dtype": "fp8",
                         "batch_size": "64", "num_heads": "32", "num_key_value_heads": "8", "head_dim": "128",
                         "kv_len": "4096", "kernel_source": "vllm_flash_attn_fa3", "window_size": ""},
    "moe": {"system": "h100_sxm", "engine": "vllm", "moe_dtype": "fp8", "num_tokens": "256", "hidden_size": "4096",
            "inter_size": "1536", "topk": "8", "num_experts": "128", "moe_tp_size": "1", "moe_ep_size": "4",
            "distribution": "balanced", "kernel_source": "vllm_fused_moe"},
    "collectives": {"system": "h100_sxm", "library": "nccl", "op": "all_reduce", "impl": "NCCL", "dtype": "half",
                    "num_gpus": "8", "message_elements": "8388608"},
    "layers-vidur": {"hardware": "h100", "model": "any", "op": "mlp_up_proj", "m": "512", "n": "28672", "k": "8192",
                     "tp": "2", "dtype": "fp16"},
    "network-vidur": {"num_workers": "4", "size_bytes": "1048576", "devices_per_node": "4", "op": "all_reduce",
                      "topology": "h100_dgx"},
    "llmcompass": {"hardware": "MI210", "op": "softmax", "dtype": "fp16", "shape": "M=4096;N=4096", "m": "4096",
                   "n": "4096", "k": ""},
    "infersim": {"hardware": "H800", "kind": "mla", "phase": "decode", "config": "128-512-64", "op": "mla_decode",
                 "kv_dtype": "bf16", "batch": "64", "q_len": "", "kv_len": "8192", "tokens_per_expert": ""},
    "deepseek": {"hardware": "H800-SXM5", "op": "fp8 block gemm (DeepGEMM)", "groups": "1", "m": "4096", "n": "7168",
                 "k": "2048", "notes": ""},
    "attention-rtx": {"hardware": "RTXPRO6000", "model": "Qwen/Qwen3-32B", "tp": "2", "prefill_chunk": "512",
                      "kv_prefill": "1024", "n_decode": "16", "kv_decode": "2048"},
    "layers-rtx": {"hardware": "RTXPRO6000", "model": "Qwen/Qwen3-32B", "tp": "1", "table": "dense",
                   "layer": "down_proj", "tokens": "512", "sequences": "", "activated_experts": ""},
    "layers-tpu": {"hardware": "TPU-v6e", "model": "Llama-3.1-8B", "op": "down_proj", "tokens": "512",
                   "kv_cache": "0", "dtype": "bf16"},
    "attention-tpu": {"hardware": "TPU-v6e", "prefill_chunk_size": "0", "kv_cache_size": "1024", "batch_size": "32",
                      "is_prefill": "False"},
}  # fmt: skip
"""Kind -> one row of it."""


def columns(kind: str, *changes: dict[str, str]) -> Columns:
    """A table of one row per change; without changes of the plain row."""
    rows = [{**ROWS[kind], **change} for change in changes or ({},)]
    return Columns({name: [row[name] for row in rows] for name in rows[0]})
