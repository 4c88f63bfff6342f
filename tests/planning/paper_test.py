"""The paper's counting of FLOPs gives the paper's table of costs."""

from __future__ import annotations

import pytest

from rft_jax.planning.paper import paper_costs
from rft_jax.report.published import paper_results


def test_sft_of_the_papers_7b_13b_and_70b_costs_what_the_paper_says() -> None:
    published, costs = paper_results()["flops"], paper_costs()
    assert list(costs) == published["columns"]
    for model in ("7B", "13B", "70B-2"):
        column = published["columns"].index(model)
        assert costs[model]["sft"] == pytest.approx(published["sft"][column], rel=0.03)
    assert costs["7B"]["rft_u33b"] / costs["7B"]["sft"] == pytest.approx(13.65)
