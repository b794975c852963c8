"""The status page as HTML: templates, and how they write numbers and names."""

import unicodedata
from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from gateway.edge.status.view import FASTEST, View
from gateway.status.hour import percentile
from gateway.units import format_size

SECTIONS = ("summary", "health", "running", "hour", "refusals", "quotas", "policy")
"""Of the page, each with a template of its own, in their order."""
_JOINERS = "\u200c\u200d"
"""Invisible, and part of how many scripts and emoji are written."""


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("gateway.edge.status"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"percentile": percentile, "fastest": FASTEST}
    environment.filters |= {
        "size": lambda size: format_size(int(size)),
        "seconds": format_seconds,
        "name": format_name,
        "words": lambda text: str(text).replace("_", " "),
        "amount": lambda amount, unit: format_size(amount) if unit == "bytes" else str(amount),
    }
    return environment


def format_seconds(seconds: float | None) -> str:
    """For people: ``12 ms``, ``3.4 s``, ``2 min 5 s``."""
    if seconds is None:
        return "–"
    if seconds < 1:
        return f"{round(seconds * 1000)} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def format_name(name: str) -> Markup:
    """A file's name as text: what would be invisible in it, or turn it round, is written out."""
    pieces = [
        Markup('<span class="hidden-character">U+{:04X}</span>').format(ord(character))
        if _is_hidden(character)
        else escape(character)
        for character in name
    ]
    return Markup("").join(pieces)


def _is_hidden(character: str) -> bool:
    if character.isascii():
        return not character.isprintable()
    category = unicodedata.category(character)
    return category in ("Cc", "Cf", "Zl", "Zp", "Co", "Cn") and character not in _JOINERS


class Pages:
    """Renders."""

    def __init__(self) -> None:
        self._environment = _environment()
        # Compiled now: some are rendered by the thread that serves uploads.
        for name in self._environment.list_templates():
            self._environment.get_template(name)

    def page(self, view: View, sections: Mapping[str, str], *, signs_out: bool) -> str:
        """``sections`` are those of ``view``."""
        return self._render("page.html", sections=sections, view=view, signs_out=signs_out)

    def sections(self, view: View) -> dict[str, str]:
        """Each by its name, and what is read out of them."""
        names = (*SECTIONS, "announcement", "clock")
        return {name: Markup(self._render(f"{name}.html", view=view)) for name in names}  # noqa: S704 - rendered by templates that escape

    def sign_in(self, problem: str) -> str:
        return self._render("sign-in.html", problem=problem)

    def problem(self, status: int, sentence: str) -> str:
        return self._render("problem.html", status=status, sentence=sentence)

    def _render(self, template: str, **values: Any) -> str:
        known: Mapping[str, Any] = values
        return self._environment.get_template(template).render(known)
