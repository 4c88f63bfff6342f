"""Pieces of HTML: whatever text they are given stays text, and the page fetches nothing."""

from __future__ import annotations

from rft_jax.report.html import (
    Section,
    card,
    charts,
    definitions,
    folded,
    page,
    paragraph,
    spaced,
)

HOSTILE = '<img src=x onerror=alert(1)> & "q"'
ESCAPED = "&lt;img src=x onerror=alert(1)&gt; &amp; &quot;q&quot;"


def test_text_is_escaped_everywhere():
    assert card("<p></p>", HOSTILE, HOSTILE).count(ESCAPED) == 2
    assert paragraph(HOSTILE) == f"<p>{ESCAPED}</p>"
    assert paragraph("a", "soft") == '<p class="soft">a</p>'
    assert definitions({HOSTILE: HOSTILE}).count(ESCAPED) == 2
    assert folded(HOSTILE, "<b>kept</b>") == (
        f"<details><summary>{ESCAPED}</summary><b>kept</b></details>"
    )


def test_a_card_has_title_and_caption_only_if_given():
    assert card("x") == '<figure class="card">x</figure>'
    assert card("", "title", "caption") == spaced("") == charts([]) == charts(["", ""]) == ""
    assert charts(["a", "b"]) == '<div class="charts">ab</div>'


def test_the_page_has_its_sections_in_order_without_empty_ones():
    sections = [Section("one", "One", "1"), Section("two", "Two", ""), Section("x", HOSTILE, "3")]
    text = page(HOSTILE, "<p>lead</p>", sections, HOSTILE)
    assert '<nav><a href="#one">One</a>' in text and "#two" not in text
    assert text.index('id="one"') < text.index('id="x"')
    assert "<img" not in text and text.count(ESCAPED) == 5  # title, heading, nav, section, footer
    assert "Content-Security-Policy" in text and "default-src 'none'" in text
    assert "http:" not in text and "https:" not in text


def test_long_words_wrap_and_tables_scroll_instead():
    text = page("t", "", [], "")
    assert "overflow-wrap: anywhere" in text
    assert "table { overflow-wrap: normal" in text and ".scroll { overflow-x: auto;" in text
