"""The choice of samples for the page, and how they are written into it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from rft_jax.report.browser import browser_section, choose_examples, examples_section
from rft_jax.report.collected import read_collected
from rft_jax.report.runs import read_run

MakeRun = Callable[..., Path]


def test_up_to_so_many_samples_of_each_verdict_are_chosen_over_all_stages(make_run: MakeRun):
    collected = read_collected([read_run(str(make_run(seeds=(0, 1), k=16)))])
    assert len(collected) == 2
    examples = choose_examples(collected, 5, seed=0)
    assert set(Counter(e.row.verdict for _, e in examples).values()) == {5}
    assert {e.row.model for _, e in examples} == {"sft-0", "sft-1"}
    assert examples == choose_examples(collected, 5, seed=0)
    assert examples != choose_examples(collected, 5, seed=1)


def test_a_sample_that_two_stages_graded_is_shown_once(make_run: MakeRun):
    (one,) = read_collected([read_run(str(make_run()))])
    once, twice = (choose_examples([one] * n, 10_000, seed=0) for n in (1, 2))
    assert once == twice


def test_the_examples_are_kept_and_spare_ones_and_one_of_every_other_verdict(make_run: MakeRun):
    examples = choose_examples(read_collected([read_run(str(make_run()))]), 50, seed=0)
    body = examples_section(examples).body
    badges = re.findall(r'class="badge (\w+)">([^<]+)<', body)
    assert badges[:3] == [("kept", "kept"), ("kept", "kept"), ("spare", "not needed")]
    rest = [text for _, text in badges[3:]]
    assert len(set(rest)) == len(rest) and "wrong answer" in rest
    assert examples_section([]).body == ""


def test_the_data_of_the_browser_cannot_end_its_script_element(make_run: MakeRun):
    examples = choose_examples(read_collected([read_run(str(make_run()))]), 50, seed=0)
    body = browser_section(examples, 50, 0).body
    (data,) = re.findall(r'id="samples-data">(.*?)</script>', body)
    assert "<" not in data
    rows = json.loads(data)["rows"]
    assert len(rows) == len(examples)
    texts = ["".join(text for text, _ in row["pieces"]) for row in rows]
    assert any("<script>" in text for text in texts)
    assert browser_section([], 50, 0).body == ""
