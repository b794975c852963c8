"""One of each refusal that the gateway makes."""

import inspect
from collections.abc import Iterator
from typing import Any

from gateway import refusals
from gateway.phrases import phrase
from gateway.refusals import Refusal, not_permitted

_EXAMPLES: dict[str, Any] = {
    "str": "x",
    "int": 1,
    "int | None": 1,
    "gateway.phrases.Phrase": phrase("x"),
    "gateway.refusals.refusal.Refusal": not_permitted(),
}
"""Of parameters, by their types."""


def every_refusal() -> Iterator[Refusal]:
    for function in vars(refusals).values():
        if inspect.isfunction(function) and function.__annotations__.get("return") is Refusal:
            wanted = [
                _EXAMPLES[inspect.formatannotation(parameter.annotation)]
                for parameter in inspect.signature(function).parameters.values()
                if parameter.default is parameter.empty
            ]
            yield function(*wanted)
