"""Text for the character model: short stories by a small grammar, some of them sums that come out right."""

from __future__ import annotations

import numpy as np

_PEOPLE = (("Anna", "she"), ("Ben", "he"), ("Clara", "she"), ("David", "he"), ("Emma", "she"), ("Felix", "he"))
_THINGS = ("apples", "books", "stones", "coins", "letters", "shells", "pencils", "tickets")
_COLOURS = ("red", "blue", "green", "old", "small", "heavy")
_PLACES = ("the market", "the harbour", "the library", "the station", "a quiet garden", "the top of the hill")
_WEATHER = ("It rains all day", "The sun is warm", "A cold wind blows", "Snow lies on the roofs", "Fog hides the river")
_VERBS = (("walks to", "comes back from"), ("rides to", "returns from"), ("drives to", "runs from"))


def stories(characters: int, seed: int) -> str:
    """At least so many characters of text."""
    draw = np.random.Generator(np.random.PCG64(seed))
    said, length = list[str](), 0
    while length < characters:
        said.append(_story(draw))
        length += len(said[-1])
    return "".join(said)


def _story(draw: np.random.Generator) -> str:
    name, pronoun = _PEOPLE[draw.integers(len(_PEOPLE))]
    other = _PEOPLE[draw.integers(len(_PEOPLE))][0]
    thing, colour = _THINGS[draw.integers(len(_THINGS))], _COLOURS[draw.integers(len(_COLOURS))]
    place, weather = _PLACES[draw.integers(len(_PLACES))], _WEATHER[draw.integers(len(_WEATHER))]
    out, back = _VERBS[draw.integers(len(_VERBS))]
    first, second = (int(one) for one in draw.integers(2, 10, 2))
    kind = draw.integers(3)
    if kind == 0:
        end = f"{name} gets {second} more. Now {pronoun} has {first + second} {colour} {thing}."
        return f"{name} has {first} {colour} {thing}. {end}\n"
    if kind == 1:
        return f"{weather}. {name} {out} {place} with {other}. In the evening {pronoun} {back} {place}.\n"
    many = first + second
    return f"{name} {out} {place} and finds {many} {thing}. {other} takes {second}. {first} {thing} are left.\n"
