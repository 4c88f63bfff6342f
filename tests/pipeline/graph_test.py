"""Stages are in the graph once, and only those are needed that something depends on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rft_jax.pipeline.graph import StageGraph, known_folders
from rft_jax.pipeline.stages import Given, OutputOf, Stage


def _stage(name: str, *inputs: Stage) -> Stage:
    arguments = {f"--{i}": OutputOf(stage) for i, stage in enumerate(inputs)}
    return Stage("train", name, 0, {"--name": Given(name), **arguments})


def test_a_stage_that_does_the_same_work_is_the_first_one() -> None:
    graph = StageGraph({})
    first = graph.add(_stage("sft"))
    assert graph.add(replace(_stage("sft"), arm="other")) is first


def test_stages_are_needed_in_the_order_in_which_they_were_added() -> None:
    graph = StageGraph({})
    sft = graph.add(_stage("sft"))
    unused = graph.add(_stage("unused", sft))
    rft = graph.add(_stage("rft", sft))
    end = graph.add(_stage("end", rft, sft))
    assert graph.needed_for([end]) == [sft, rft, end]
    assert graph.needed_for([rft, unused]) == [sft, unused, rft]
    assert graph.needed_for([]) == []


def test_two_stages_of_one_title_are_an_error() -> None:
    graph = StageGraph({})
    graph.add(_stage("sft"))
    with pytest.raises(ValueError, match="two different stages are called 'sft-0 train'"):
        graph.add(replace(_stage("other"), arm="sft"))


def test_a_folder_of_an_earlier_run_is_reused_whatever_its_title(tmp_path: Path) -> None:
    stage = _stage("sft")
    name = f"old-title-{stage.digest[:12]}"
    (tmp_path / "stages" / name).mkdir(parents=True)
    (tmp_path / "stages" / f"{name}.log").touch()
    graph = StageGraph(known_folders(tmp_path))
    assert graph.add(stage).folder == Path("stages") / name
    assert known_folders(tmp_path / "nowhere") == {}
