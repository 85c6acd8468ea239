"""TensorRT-LLM's scheduling rules in plain Python, restated from its scheduler.py: ours is held against them.

Requests are objects, tokens are lists, blocks are dictionary entries; nothing is shared with `silmark.serving`.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

EMITTED = 7
Prefix = tuple[int, ...]


@dataclass(eq=False)
class Request:
    """A request. `position`: tokens of its prompt that are computed. `held`: its blocks' numbers, in order."""

    name: str
    number: int
    prompt: list[int]
    out: int
    position: int = 0
    made: int = 0
    flying: int = 0
    pauses: int = 0
    stale: int = 0
    held: list[int] = field(default_factory=list)
    started: bool = False
    tokens: int = 0
    cached: int = 0
    chunk: int = 0

    @property
    def decodes(self) -> bool:
        return self.started and self.position >= len(self.prompt)

    @property
    def rest(self) -> int:
        return len(self.prompt) - self.position

    @property
    def reusable(self) -> int:
        """Only a first chunk finds anything in the cache."""
        return 0 if self.started else self.cached

    @property
    def ends_in_flight(self) -> bool:
        return self.flying > 0 and self.made + self.flying >= self.out


class Pool:
    """KV blocks: free ones in the order in which they will be taken, known ones by all tokens up to their end."""

    def __init__(self, count: int, block: int, caches: bool) -> None:
        self.block, self.caches = block, caches
        self.free: OrderedDict[int, None] = OrderedDict.fromkeys(range(count))
        self.users = [0] * count
        self.prefix: dict[int, Prefix] = {}
        self.known: dict[Prefix, list[int]] = {}

    def found(self, tokens: list[int]) -> list[int]:
        """Known blocks that a prompt starts with; its last token is computed anew."""
        blocks: list[int] = []
        while self.caches and (len(blocks) + 1) * self.block < len(tokens):
            same = self.known.get(tuple(tokens[: (len(blocks) + 1) * self.block]))
            if not same:
                break
            blocks.append(same[0])
        return blocks

    def first_new(self, tokens: list[int]) -> Prefix | None:
        """The first full block that is not known, with all before it."""
        for end in range(self.block, len(tokens) + 1, self.block):
            if self.caches and tuple(tokens[:end]) not in self.known:
                return tuple(tokens[:end])
        return None

    def use(self, blocks: list[int]) -> None:
        for block in blocks:
            self.users[block] += 1
            self.free.pop(block, None)

    def take(self, count: int) -> list[int]:
        taken = []
        for _ in range(count):
            block, _none = self.free.popitem(last=False)
            self.users[block] = 1
            if block in self.prefix:
                prefix = self.prefix.pop(block)
                self.known[prefix].remove(block)
                if not self.known[prefix]:
                    del self.known[prefix]
            taken.append(block)
        return taken

    def publish(self, held: list[int], tokens: list[int]) -> None:
        for i in range(len(tokens) // self.block):
            if self.caches and held[i] not in self.prefix:
                prefix = tuple(tokens[: (i + 1) * self.block])
                self.prefix[held[i]] = prefix
                self.known.setdefault(prefix, []).append(held[i])

    def give_back(self, held: list[int]) -> None:
        """Those that are known behind all others, the last first; the others in front."""
        for block in held:
            self.users[block] -= 1
        for block in reversed(held):
            if self.users[block] == 0 and block in self.prefix:
                self.free[block] = None
        for block in held:
            if self.users[block] == 0 and block not in self.prefix:
                self.free[block] = None
                self.free.move_to_end(block, last=False)


class Server:
    """What the executor around the scheduler does: it hands out blocks, takes steps back, pauses, lets requests go."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.block: int = config["block_size"]
        self.pool = Pool(config["num_blocks"], self.block, config["enable_prefix_caching"])
        self.active: list[Request] = []
        self.queue: list[Request] = []
        self.batches: list[list[tuple[Request, bool, int]]] = []

    def ceil(self, tokens: int) -> int:
        return -(-tokens // self.block)

    def to_the_end(self, one: Request) -> int:
        """Blocks that a request still takes until its end, less those found that others use."""
        used = 0
        if not one.started:
            used = sum(self.pool.users[block] > 0 for block in self.pool.found(one.prompt))
        return self.ceil(len(one.prompt) + one.out) - len(one.held) - used

    def in_one_step(self, one: Request) -> int:
        """Blocks for the next step: of a first chunk for the whole prompt, of a later one none."""
        if one.decodes:
            return self.ceil(one.tokens + 1) - len(one.held)
        if one.started:
            return 0
        return self.ceil(len(one.prompt)) - sum(self.pool.users[b] > 0 for b in self.pool.found(one.prompt))

    def decide(self) -> dict[str, Any]:
        """One step of the scheduler. Returns what a recorded step holds, of this moment."""
        self.active += self.queue[: self.config["max_num_seqs"] - len(self.active)]
        self.queue = [one for one in self.queue if one not in self.active]
        for one in self.active:
            if not one.started:
                one.cached = len(self.pool.found(one.prompt)) * self.block
        before = {one.name for one in self.active if one.started}
        capacity = self.with_pauses if self.config["capacity"] == "max_utilization" else self.guaranteed
        prompts, decodes = self.batch(capacity())
        new: dict[str, int] = {}
        starting = [one for one in prompts if not one.started]
        chunks = {one: (one.chunk, one.chunk == one.rest) for one in prompts}
        for one in starting:
            found = self.pool.found(one.prompt)
            self.pool.use(found)
            one.held, one.started = found, True
            one.position = one.tokens = new[one.name] = len(found) * self.block
        sched: dict[str, int] = {}
        prompts.sort(key=lambda one: chunks[one][1])  # those that end stand behind the others
        for one in prompts:
            one.held += self.pool.take(self.ceil(len(one.prompt)) - len(one.held))
            sched[one.name] = min(chunks[one][0], one.rest)
            one.position += sched[one.name]
            one.tokens = one.position
            self.pool.publish(one.held, one.prompt[: one.position])
        for one in decodes:
            one.tokens += 1
            one.held += self.pool.take(self.ceil(one.tokens) - len(one.held))
            sched[one.name] = 1
            written = min(one.tokens, len(one.prompt) + one.made)
            self.pool.publish(one.held, (one.prompt + [EMITTED] * one.made)[:written])
        for one in prompts + decodes:
            one.flying += one.decodes and self.config["async_scheduling"]
        self.batches.append([(one, one.decodes, one.pauses) for one in prompts + decodes])
        running = [one.name for one in self.active if one.started]
        return {
            "sched": sched,
            "new": new,
            "preempted": sorted(before - set(running)),
            "running": running,
            "waiting": [one.name for one in self.active + self.queue if not one.started],
            "free_blocks": len(self.pool.free),
        }

    def take_back(self) -> dict[str, Any]:
        """The oldest step returns."""
        emitted: dict[str, int] = {}
        finished: list[str] = []
        for one, makes, pauses in self.batches.pop(0):
            if pauses < one.pauses:
                one.stale -= 1
            if not makes:
                continue
            emitted[one.name] = 1
            if pauses < one.pauses:  # it was paused since: the token counts, its place does not
                one.prompt.append(EMITTED)
                one.out -= 1
            else:
                one.made += 1
            if one.flying:
                one.flying -= 1
                self.pool.publish(one.held, (one.prompt + [EMITTED] * one.made)[: one.tokens - one.flying])
            if one.made >= one.out:
                finished.append(one.name)
                self.active.remove(one)
                self.pool.give_back(one.held)
        return {"tokens": emitted, "finished": sorted(finished)}

    def pause(self, one: Request) -> None:
        """Takes a request's blocks; what it made becomes part of its prompt."""
        self.pool.give_back(one.held)
        one.prompt = one.prompt + [EMITTED] * one.made
        one.out -= one.made
        one.made = one.position = one.tokens = one.flying = 0
        one.stale = sum(one is other for batch in self.batches for other, _, pauses in batch if pauses == one.pauses)
        one.pauses += 1
        one.held, one.started = [], False
        one.cached = len(self.pool.found(one.prompt)) * self.block

    def skipped(self, one: Request, computing: set[Prefix]) -> bool:
        """Whether a prompt waits for the one that computes its next block; else it computes that itself."""
        if one.stale:
            return True
        new = None if one.started else self.pool.first_new(one.prompt)
        if new is None:
            return False
        if new in computing:
            return True
        computing.add(new)
        return False

    def under_way(self) -> set[Prefix]:
        """Next blocks of the prompts under way."""
        found = (self.pool.first_new(one.prompt) for one in self.active if one.started and not one.decodes)
        return {new for new in found if new is not None}

    def guaranteed(self) -> list[Request]:
        """Decodes, then prompts in order until one does not fit to its end."""
        fitting = [one for one in self.active if one.decodes]
        free = len(self.pool.free) - sum(self.to_the_end(one) for one in fitting)
        static, computing = self.config["capacity"] == "static_batch", self.under_way()
        if static and fitting:
            return fitting
        stands = False
        for one in self.active:
            if one.decodes or (stands and not one.started):
                continue
            if not static and self.skipped(one, computing):
                continue
            need = self.to_the_end(one)
            if need > free:
                if fitting or one.started:
                    break
                stands = True  # the real one would wait for ever if a prompt under way holds the blocks
                continue
            free -= need
            fitting.append(one)
        return fitting

    def with_pauses(self) -> list[Request]:
        """All in order; for one that does not fit the last that has started is paused, and the list ends there."""
        fitting: list[Request] = []
        at, end, taken, computing = 0, len(self.active), 0, self.under_way()
        while at < end:
            one = self.active[at]
            if self.skipped(one, computing):
                at += 1
                continue
            need = self.in_one_step(one)
            if taken + need <= len(self.pool.free):
                taken += need
                fitting.append(one)
                at += 1
                continue
            started = [i for i in range(at, end) if self.active[i].started]
            if not started:
                break
            end = started[-1]
            self.pause(self.active[end])
            taken = sum(map(self.in_one_step, fitting))  # what it shared with those is idle, and taken by them
        return fitting

    def batch(self, fitting: list[Request]) -> tuple[list[Request], list[Request]]:
        """Who of them takes part, with how many tokens (`chunk`): prompts and decodes."""
        left, config = self.config["max_num_batched_tokens"], self.config
        prompts: list[Request] = []
        decodes: list[Request] = []
        if not config["enable_chunked_prefill"]:
            for one in fitting:
                if one.ends_in_flight:
                    continue
                cost = 1 if one.decodes else one.rest - one.reusable
                if cost > left:
                    break
                left -= cost
                one.chunk = one.rest
                (decodes if one.decodes else prompts).append(one)
            return prompts, decodes
        decodes = [one for one in fitting if one.decodes and not one.ends_in_flight][:left]
        prompts = [one for one in fitting if not one.decodes]
        left -= len(decodes)
        if sum(one.rest - one.reusable for one in prompts) <= left:
            for one in prompts:
                one.chunk = one.rest
        elif config["equal_chunks"]:
            self.even_chunks(prompts, left)
        else:
            for one in prompts:
                fits = one.rest - one.reusable <= left
                one.chunk = one.rest if fits else left // self.block * self.block
                left -= min(one.chunk, one.rest - one.reusable)
        return [one for one in prompts if one.chunk > 0], decodes

    def even_chunks(self, prompts: list[Request], left: int) -> None:
        """A block more for each in turn; what is cached costs nothing, but counts as progress."""
        for one in prompts:
            one.chunk = 0
        moved = True
        while left > 0 and moved:
            moved = False
            for one in prompts:
                chunk = min(one.chunk + self.block, one.rest)
                costs = [min(size, one.rest - one.reusable) for size in (one.chunk, chunk)]
                if costs[1] - costs[0] <= left and chunk <= self.config["max_num_batched_tokens"]:
                    left -= costs[1] - costs[0]
                    moved = moved or chunk > one.chunk
                    one.chunk = chunk


def steps(config: dict[str, Any], make: type[Server] = Server) -> list[dict[str, Any]]:
    """The steps of a scenario."""
    server = make(config)
    coming = [
        Request(entry["id"], number, [t for start, stop in entry["segments"] for t in range(start, stop)], entry["out"])
        for number, entry in enumerate(config["requests"])
    ]
    arrivals = {one.name: entry["arrive_step"] for one, entry in zip(coming, config["requests"], strict=True)}
    recorded: list[dict[str, Any]] = []
    depth = 2 if config["async_scheduling"] else 1
    while coming or server.active or server.queue:
        step: dict[str, Any] = {"step": len(recorded)}
        server.queue += [one for one in coming if arrivals[one.name] <= step["step"]]
        coming = [one for one in coming if arrivals[one.name] > step["step"]]
        step |= server.decide() | {"tokens": {}, "finished": []}
        step["total"] = sum(step["sched"].values())
        if len(server.batches) == depth:
            step |= server.take_back()
        recorded.append(step)
        if len(recorded) > 20_000:
            raise RuntimeError("never ends")
    return recorded
