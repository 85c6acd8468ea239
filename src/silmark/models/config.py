"""Config: typed, bounded access to a `config.json` that anybody may have written.

Every getter names file, key and what was expected, and remembers the keys that were asked for, so that what
nobody understood can be listed.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from silmark.errors import BadFile

MAX_BYTES = 1 << 20
TOP = 100_000_000
"""No width, vocabulary or context of a real model is beyond this; larger numbers are taken for errors."""
MAX_LAYERS = 10_000

IGNORED = frozenset(
    """
    _name_or_path activation_function architectures attention_dropout attention_probs_dropout_prob attn_cfg
    attn_implementation attn_logit_softcapping attn_pdrop attn_type auto_map aux_loss_alpha bos_token_id
    cache_implementation classifier_dropout do_sample dtype embd_pdrop embedding_multiplier eos_token_id ep_size
    expand final_logit_softcapping fused_add_norm gradient_checkpointing hidden_act hidden_activation hidden_dropout
    hidden_dropout_prob id2label initial_context_length initializer_factor initializer_range label2id layer_norm_eps
    layer_norm_epsilon layerdrop layernorm_epsilon length_penalty mamba_hidden_act mamba_ssm_cache_dtype max_length
    min_length mlp_hidden_act model_type moe_shared_expert_overlap mtp_layers_block_type mtp_transformer_layers n_ctx
    n_group norm_eps norm_epsilon norm_topk_prob num_beam_groups num_beams num_logits_to_keep num_return_sequences
    original_max_position_embeddings output_router_logits pad_token_id position_embedding_type prefix pretraining_tp
    query_pre_attn_scalar repetition_penalty rescale_prenorm_residual resid_pdrop residual_in_fp32 return_dict
    rms_norm rms_norm_eps rope_local_base_freq rope_parameters rope_scaling rope_theta rotary rotary_emb_base
    routed_scaling_factor router_aux_loss_coef router_jitter_noise router_z_loss_coef scale_attn_weights scoring_func
    sep_token_id seq_aux summary_activation summary_first_dropout summary_proj_to_labels summary_type summary_use_proj
    swiglu_limit task_specific_params temperature time_step_floor time_step_limit time_step_max time_step_min
    time_step_rank tokenizer_class top_k top_p topk_group torch_dtype transformers.js_config transformers_version
    typical_p use_cache use_mamba_kernels use_mtp
    """.split()  # noqa: SIM905 - a list of a hundred words reads better without quotes
)
"""Keys without influence on shapes and counts."""


class Config:
    """One JSON object: a whole file, or an object inside of it."""

    def __init__(self, values: Mapping[str, object], where: str, name: str, prefix: str = "") -> None:
        self.where, self.name = where, name
        self._values, self._prefix = values, prefix
        self._asked: set[str] = set()

    def __contains__(self, key: str) -> bool:
        self._asked.add(key)
        return self._values.get(key) is not None

    def __len__(self) -> int:
        return len(self._values)

    def fail(self, problem: str, key: str = "") -> BadFile:
        """The error that this file deserves; the caller raises it."""
        return BadFile(self.where, problem, self._prefix + key if key else "")

    def accept(self, *keys: str) -> None:
        """Marks keys that repeat what the family implies."""
        self._asked.update(keys)

    def has(self, *keys: str) -> str | None:
        """First of these spellings that the file sets to something other than null."""
        return next((key for key in keys if key in self), None)

    def count(self, *keys: str, default: int | None = None, low: int = 1, high: int = TOP) -> int:
        """An integer from `low` to `high` under any of several spellings.

        A missing or null key means `default`; without a default the key is required.
        """
        key = self.has(*keys)
        if key is None:
            if default is None:
                raise self.fail(f"missing; expected an integer from {low} to {high:,}", " or ".join(keys))
            return default
        return self._integer(self._values[key], key, low, high)

    def _integer(self, value: object, key: str, low: int, high: int) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self.fail(f"{show(value)} is not an integer from {low} to {high:,}", key)
        return value

    def number(self, key: str, default: float) -> float:
        """A finite number above 0."""
        if key not in self:
            return default
        value = self._values[key]
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.fail(f"{show(value)} is not a number", key)
        if not 0 < value <= TOP or not math.isfinite(value):
            raise self.fail(f"{show(value)} is not a number above 0 and up to {TOP:,}", key)
        return float(value)

    def flag(self, key: str, default: bool = False) -> bool:
        """A boolean."""
        if key not in self:
            return default
        value = self._values[key]
        if not isinstance(value, bool):
            raise self.fail(f"{show(value)} is not true or false", key)
        return value

    def text(self, key: str, default: str = "") -> str:
        """A short string."""
        if key not in self:
            return default
        value = self._values[key]
        if not isinstance(value, str) or len(value) > MAX_LAYERS:
            raise self.fail(f"{show(value)} is not a string of up to {MAX_LAYERS} characters", key)
        return value

    def items(self, key: str, kind: type) -> list[object]:
        """A list whose entries are all of one type; empty when missing."""
        if key not in self:
            return []
        value = self._values[key]
        if not isinstance(value, list) or len(value) > MAX_LAYERS or not all(type(x) is kind for x in value):
            raise self.fail(f"{show(value)} is not a list of up to {MAX_LAYERS:,} values of type {kind.__name__}", key)
        return value

    def texts(self, key: str) -> list[str]:
        """A list of strings."""
        return cast("list[str]", self.items(key, str))

    def integers(self, key: str, low: int = 0, high: int = TOP) -> list[int]:
        """A list of integers from `low` to `high`."""
        return [self._integer(value, key, low, high) for value in self.items(key, int)]

    def child(self, key: str) -> Config | None:
        """An object inside of this one, None when missing."""
        if key not in self:
            return None
        value = self._values[key]
        if not isinstance(value, dict):
            raise self.fail(f"{show(value)} is not an object", key)
        return Config(value, self.where, self.name, f"{self._prefix}{key}.")

    def text_part(self) -> Config:
        """The text model of a multimodal file (`text_config`), or the file itself.

        Storage and the tying of the head are often set beside it and are carried over.
        """
        text = self.child("text_config")
        if text is None:
            return self
        shared = {key: self._values[key] for key in ("quantization_config", "tie_word_embeddings") if key in self}
        return Config({**shared, **text._values}, self.where, self.name, text._prefix)

    def unread(self) -> list[str]:
        """Keys that are set, that no getter asked for and that may matter, sorted."""
        asked = self._asked | IGNORED
        own = (self._prefix + key for key, value in self._values.items() if value and key not in asked)
        return sorted(own)


def read(path: Path, name: str) -> Config:
    """Reads a configuration file.

    Raises:
        BadFile: not a regular file, larger than 1 MiB, not UTF-8, not JSON, keys repeated, or not an object.
    """
    try:
        if not path.is_file():
            raise BadFile(path, "there is no such file" if not path.exists() else "this is not a regular file")
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise BadFile(show(os.fspath(path)), f"cannot be read ({type(error).__name__})") from None
    if len(raw) > MAX_BYTES:
        raise BadFile(path, f"larger than {MAX_BYTES:,} bytes; a model's config.json is a few thousand")
    return parse(raw, str(path), name)


def parse(raw: bytes, where: str, name: str) -> Config:
    """Parses the bytes of a configuration; `where` is what error messages call it."""

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) < len(pairs):
            keys = [key for key, _ in pairs]
            repeated = next(key for key in keys if keys.count(key) > 1)
            raise BadFile(where, "is set more than once", show(repeated))
        return found

    try:
        values = json.loads(raw.decode("utf-8"), object_pairs_hook=unique)
    except RecursionError:
        raise BadFile(where, "objects are nested too deeply") from None
    except ValueError as error:
        raise BadFile(where, f"not valid JSON: {str(error)[:120]}") from None
    if not isinstance(values, dict):
        raise BadFile(where, f"expected a JSON object, found {show(values)}")
    return Config(values, where, name)


def show(value: object) -> str:
    """A value as an error message may print it: one line, at most 60 characters."""
    if isinstance(value, int) and abs(value) > 10**30:
        return "an integer of more than 30 digits"
    text = f"a list of {len(value)}" if isinstance(value, list) and len(value) > 8 else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
