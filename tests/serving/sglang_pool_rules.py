"""SGLang's engines that only decode, in plain Python, restated from srt/disaggregation/decode.py: ours is held to them.

Requests are objects and queues are lists; nothing is shared with `silmark.serving`. One step is one turn of SGLang's
event loop; turns that neither launch a batch nor wait for one follow one another at once and are one step here.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

CLIP = 4096


@dataclass(eq=False)
class Request:
    """A request. `made`: its tokens; `pages`: that it holds; `flying`: its steps in flight; `turn`: its retractions."""

    name: str
    prompt: int
    out: int
    fetch: int
    made: int = 0
    pages: int = 0
    flying: int = 0
    turn: int = 0
    due: int = 0
    resumed: bool = False

    @property
    def comes_to(self) -> int:
        return self.prompt + min(self.out, CLIP)


@dataclass
class Engine:
    """The queues of one engine. `ended`: who has ended since the last turn and still counts as running."""

    page: int
    seats: int
    free: int
    reserved: int
    queue: list[Request] = field(default_factory=list)
    moving: list[Request] = field(default_factory=list)
    standing: list[Request] = field(default_factory=list)
    running: list[Request] = field(default_factory=list)
    ended: list[Request] = field(default_factory=list)
    retracted: list[Request] = field(default_factory=list)
    changed: bool = False

    def pages(self, tokens: int) -> int:
        return -(-tokens // self.page)

    def budget(self, spared: int) -> int:
        """Tokens that may be handed out, besides those that stay free for requests that hold some."""
        holders = len(self.running) + len(self.ended) + len(self.moving) + len(self.standing)
        return self.free * self.page - max(self.reserved * holders, spared)

    def has_row(self) -> bool:
        rows = self.seats * (3 if self.seats <= 32 else 1)
        return len(self.running) + len(self.moving) + len(self.standing) < rows

    def take(self, request: Request, tokens: int) -> None:
        request.pages = self.pages(tokens)
        self.free -= request.pages

    def give_back(self, request: Request) -> None:
        self.free += request.pages
        request.pages = 0

    def resume(self) -> None:
        while self.retracted and self.has_row():
            first = self.retracted[0]
            tokens = first.prompt + first.made - 1
            if self.pages(tokens) * self.page + self.reserved > self.budget(0):
                return
            self.take(first, tokens)
            first.resumed = True
            self.standing.append(self.retracted.pop(0))

    def preallocate(self, step: int) -> None:
        busy = self.running + self.ended
        tokens = sum(one.prompt + one.made for one in busy)
        spared = max((one.comes_to - tokens for one in busy), default=0)
        while self.queue and len(self.moving) < 2 * self.seats and self.has_row():
            first = self.queue[0]
            need = max(self.pages(first.prompt) * self.page + self.reserved, first.comes_to - tokens)
            if need > self.budget(spared):
                return
            self.take(first, first.prompt)
            first.due = step + first.fetch
            self.moving.append(self.queue.pop(0))

    def sit_down(self) -> None:
        seats = max(0, self.seats - len(self.running) - len(self.ended))
        sitting, self.standing = self.standing[:seats], self.standing[seats:]
        for one in sitting:
            one.made += not one.resumed
            if one.made >= one.out:
                self.give_back(one)
                self.changed = True
            else:
                self.running.append(one)

    def lacks(self, some: list[Request]) -> int:
        """Pages that a token for each of them begins."""
        return sum((one.prompt + one.made - 1 + one.flying) % self.page == 0 for one in some)

    def retract(self) -> None:
        """The fewest made and the longest prompt go first; the last one is given up if there is no room even then."""
        keep = sorted(self.running, key=lambda one: (one.made, -one.prompt), reverse=True)
        while len(keep) > 1:
            one = keep.pop()
            self.give_back(one)
            one.turn += 1
            one.flying = 0
            self.retracted.append(one)
            if self.lacks(keep) <= self.free:
                break
        if len(keep) == 1 and self.lacks(keep) > self.free:
            keep[0].turn += 1
            self.give_back(keep.pop())
            self.changed = True
        self.running = [one for one in self.running if one in keep]

    def decode(self) -> list[Request]:
        if self.lacks(self.running) > self.free:
            self.retract()
        self.free -= self.lacks(self.running)
        for one in self.running:
            one.pages += self.lacks([one])
            one.flying += 1
        return list(self.running)

    def turn(self, step: int, idle: bool) -> list[Request]:
        """The turns until a batch is launched; one if another batch is waited for."""
        while True:
            self.changed = bool(self.ended)
            self.resume()
            if not self.retracted:
                self.preallocate(step)
                self.standing += [one for one in self.moving if one.due <= step]
                self.moving = [one for one in self.moving if one.due > step]
            self.sit_down()
            self.ended = []
            batch = self.decode()
            if batch or not idle:
                return batch
            if self.retracted and not (self.running or self.moving or self.standing):
                self.retracted.pop(0)  # it would wait for ever
                self.changed = True
            if not self.changed:
                return []

    def collect(self, batch: list[tuple[Request, int]]) -> tuple[dict[str, int], list[str]]:
        """A batch returns: tokens by request, and who has ended."""
        tokens, finished = {}, []
        for one, turn in batch:
            if one.turn != turn or one not in self.running:
                continue
            one.flying -= 1
            one.made += 1
            tokens[one.name] = 1
            if one.made >= one.out:
                self.running.remove(one)
                self.ended.append(one)
                self.give_back(one)
                finished.append(one.name)
        return tokens, sorted(finished)


def steps(config: dict[str, Any], most: int) -> list[dict[str, Any]]:
    """The first steps of a scenario (`test_sglang_pool.scenario`), in the form of `silmark.serving.replay`."""
    engine = Engine(config["block_size"], config["max_num_seqs"], config["num_blocks"], config["reserved"])
    coming = deque(config["requests"])
    depth = 2 if config["async_scheduling"] else 1
    flying: deque[list[tuple[Request, int]]] = deque()
    found: list[dict[str, Any]] = []
    for step in range(most):
        while coming and coming[0]["arrive_step"] <= step:
            entry = coming.popleft()
            engine.queue.append(Request(entry["id"], entry["prompt"], entry["out"], entry["fetch_steps"]))
        before = list(engine.running)
        batch = engine.turn(step, not any(flying))
        flying.append([(one, one.turn) for one in batch])
        came = [one for one in engine.moving if one.due <= step]
        found.append(
            {
                "sched": {one.name: 1 for one in batch},
                "running": [one.name for one in engine.running],
                "waiting": [one.name for one in engine.retracted + came + engine.queue],
                "loading": sorted(one.name for one in engine.moving if one.due > step),
                "preempted": sorted(one.name for one in before if one not in engine.running),
                "free_blocks": engine.free,
                "tokens": {},
                "finished": [],
            }
        )
        if len(flying) == depth:
            found[-1]["tokens"], found[-1]["finished"] = engine.collect(flying.popleft())
    return found
