"""Fifty requests of our own making, written in every format that is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta

import numpy as np

COUNT = 50
BLOCK = 512


def _random() -> np.random.Generator:
    return np.random.default_rng(7)


ARRIVALS_NS = (np.cumsum(_random().integers(1, 40_000_000, COUNT)) * 100).tolist()
PROMPTS = _random().integers(1, 6000, COUNT).tolist()
OUTPUTS = _random().integers(1, 900, COUNT).tolist()


def since_first(step_ns: int = 1) -> list[int]:
    """Arrivals from the first on, in whole steps."""
    whole = [one // step_ns * step_ns for one in ARRIVALS_NS]
    return [one - whole[0] for one in whole]


def azure() -> str:
    """Times of 100 ns; the second half as in 2024, with an offset from UTC."""
    start = datetime(2023, 11, 16, 23, 59, 50)  # noqa: DTZ001 - written without a zone
    rows = ["TIMESTAMP,ContextTokens,GeneratedTokens"]
    for number, (at, prompt, output) in enumerate(zip(ARRIVALS_NS, PROMPTS, OUTPUTS, strict=True)):
        whole = start + timedelta(seconds=at // 10**9)
        zone = "+00:00" if number >= COUNT // 2 else ""
        rows.append(f"{whole:%Y-%m-%d %H:%M:%S}.{at % 10**9 // 100:07d}{zone},{prompt},{output}")
    return "\r\n".join(rows) + "\r\n"


def burstgpt() -> str:
    rows = ["Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type"]
    for number, (at, prompt, output) in enumerate(zip(ARRIVALS_NS, PROMPTS, OUTPUTS, strict=True)):
        model = "GPT-4" if number % 3 == 0 else "ChatGPT"
        answer = 0 if number % 10 == 9 else output
        session = number // 4 if number % 2 else ""
        rows.append(f'{at / 1e9:.1f},{session},0.5,{model},{prompt},{answer},{prompt + answer},"Conversation log"')
    return "\n".join(rows)


def blocks(prompt: int, number: int, size: int = BLOCK) -> list[int]:
    """Two shared blocks, then some of the request's own."""
    many = -(-prompt // size)
    return [0, 1][:many] + [1000 * (number + 1) + at for at in range(max(0, many - 2))]


def mooncake() -> str:
    return "".join(
        json.dumps(
            {
                "timestamp": at // 10**6,
                "input_length": prompt,
                "output_length": output,
                "hash_ids": blocks(prompt, number),
            }
        )
        + "\n"
        for number, (at, prompt, output) in enumerate(zip(ARRIVALS_NS, PROMPTS, OUTPUTS, strict=True))
    )


def bailian() -> str:
    """Chats of two requests each; every second row has ids of full blocks only."""
    lines = []
    for number, (at, prompt, output) in enumerate(zip(ARRIVALS_NS, PROMPTS, OUTPUTS, strict=True)):
        ids = blocks(prompt, number, 16)
        lines.append(
            json.dumps(
                {
                    "chat_id": number,
                    "parent_chat_id": number - 1 if number % 2 else -1,
                    "timestamp": at // 10**6 / 1000,
                    "input_length": prompt,
                    "output_length": output,
                    "type": "text",
                    "turn": number % 2 + 1,
                    "hash_ids": ids[: prompt // 16] if number % 2 else ids,
                }
            )
        )
    return "\n".join(lines) + "\n"


def llmservingsim() -> str:
    return "".join(
        json.dumps(
            {
                "input_toks": prompt,
                "output_toks": output,
                "arrival_time_ns": at,
                "input_tok_ids": [7, 8, 9, 7][:prompt] + [1000 + number] * max(0, prompt - 4),
                "output_tok_ids": [5] * output,
            }
        )
        + "\n"
        for number, (at, prompt, output) in enumerate(zip(ARRIVALS_NS, PROMPTS, OUTPUTS, strict=True))
    )


def sharegpt() -> str:
    """Conversations of one to four messages of known length."""
    talks = []
    for number in range(COUNT):
        sizes = [PROMPTS[number], OUTPUTS[number], 40, 60][: number % 4 + 1]
        who = ["human", "gpt"] * 2
        messages = [{"from": one, "value": "x" * size} for one, size in zip(who, sizes, strict=False)]
        talks.append({"id": f"t{number}", "conversations": messages})
    return json.dumps(talks, indent=1)


def csv() -> str:
    rows = ["arrival_ns,prompt_tokens,output_tokens,session,priority"]
    rows += [
        f"{at},{prompt},{output},{'' if number % 5 else 'ann'},{number % 3}"
        for number, (at, prompt, output) in enumerate(zip(ARRIVALS_NS, PROMPTS, OUTPUTS, strict=True))
    ]
    return "\n".join(rows) + "\n"


def jsonl() -> str:
    return "".join(
        json.dumps({"ts": at / 1e9, "isl": prompt, "osl": output}) + "\n"
        for at, prompt, output in zip(ARRIVALS_NS, PROMPTS, OUTPUTS, strict=True)
    )


SAMPLES: dict[str, tuple[str, Callable[[], str]]] = {
    "azure": ("a.csv", azure),
    "burstgpt": ("b.csv", burstgpt),
    "mooncake": ("m.jsonl", mooncake),
    "bailian": ("q.jsonl", bailian),
    "llmservingsim": ("l.jsonl", llmservingsim),
    "sharegpt": ("s.json", sharegpt),
    "csv": ("c.csv", csv),
    "jsonl": ("j.jsonl", jsonl),
}
"""Format -> name of a file and its text."""
