"""Small pieces of HTML. Everything that comes from a run passes through `escape`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from urllib.parse import quote

# Nothing is fetched, whatever a response contains: no scripts, no images, no connections.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"


@dataclass(frozen=True)
class Section:
    """A section of the page; one without a body is left out."""

    key: str
    title: str
    body: str


def card(content: str, title: str = "", caption: str = "") -> str:
    """A framed box; nothing without content."""
    if not content:
        return ""
    head = f"<h3>{escape(title)}</h3>" if title else ""
    foot = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f'<figure class="card">{head}{content}{foot}</figure>'


def charts(cards: Sequence[str]) -> str:
    """Boxes side by side if the width allows it; empty ones are left out."""
    return f'<div class="charts">{"".join(cards)}</div>' if any(cards) else ""


def spaced(content: str) -> str:
    """A box with a distance to what is above it."""
    return f'<div class="spaced">{content}</div>' if content else ""


def paragraph(text: str, css: str = "") -> str:
    """A paragraph of plain text."""
    return f'<p class="{css}">{escape(text)}</p>' if css else f"<p>{escape(text)}</p>"


def definitions(values: Mapping[str, object]) -> str:
    """A table of names and values."""
    rows = "".join(
        f"<tr><td>{escape(str(name))}</td><td>{escape(str(value))}</td></tr>"
        for name, value in values.items()
    )
    return f'<div class="scroll"><table><tbody>{rows}</tbody></table></div>'


def folded(summary: str, content: str) -> str:
    """Content that unfolds on a click."""
    return f"<details><summary>{escape(summary)}</summary>{content}</details>"


def sample_link(problem: str) -> str:
    """A problem's id that leads to its samples in the browser of samples."""
    address = quote(problem.encode("utf-8", "replace"))
    return f'<a href="#samples={address}">{escape(problem)}</a>'


def asset(name: str) -> str:
    """A file of this package as text."""
    return files("rft_jax.report").joinpath(name).read_text(encoding="utf-8")


def page(title: str, lead: str, sections: Sequence[Section], footer: str) -> str:
    """The whole page, self-contained."""
    shown = [section for section in sections if section.body]
    links = "".join(f'<a href="#{s.key}">{escape(s.title)}</a>' for s in shown)
    body = "".join(
        f'<section id="{s.key}"><h2>{escape(s.title)}</h2>{s.body}</section>' for s in shown
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="data:,">'
        f"<title>{escape(title)}</title><style>{asset('chart.css')}{asset('page.css')}</style></head>"
        f"<body><header><h1>{escape(title)}</h1>{lead}<nav>{links}</nav></header>"
        f"<main>{body}</main><footer>{paragraph(footer, 'soft')}</footer></body></html>\n"
    )


def live(text: str, version: str) -> str:
    """The page as a server sends it: it asks the server for its version and reloads itself.

    Args:
      text: the page.
      version: what the server answers at `/version` as long as this page is the newest.
    """
    head, end, tail = text.replace(_POLICY, f"{_POLICY}; connect-src 'self'", 1).rpartition(
        "</body>"
    )
    script = f'<script data-version="{escape(version)}">{asset("live.js")}</script>'
    return f"{head}{script}{end}{tail}"
