from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rft_jax.errors import UserError
from rft_jax.files.jsonl import write_rows
from rft_jax.records import FORMS, path_line, read_paths, to_row
from rft_jax.records import Path as TrainingPath

texts = st.text(st.characters(codec=None), max_size=20)


def test_a_path_round_trips(tmp_path: Path) -> None:
    path = TrainingPath("p", "a?", "b", "sampled", ("m", "n"), ("1+1=2",))
    program = TrainingPath("p", "a?", "print(2)", "sampled", (), (), "program")
    bare = {"id": "p", "query": "a?", "response": "b"}
    write_rows(tmp_path / "paths.jsonl", [to_row(path), bare, to_row(program)])
    assert list(read_paths(tmp_path / "paths.jsonl")) == [
        (1, path),
        (2, TrainingPath("p", "a?", "b", "human", (), ())),
        (3, program),
    ]
    assert "form" not in to_row(path)


def test_lists_may_be_null_and_are_of_strings(tmp_path: Path) -> None:
    row = {"id": "p", "query": "a?", "response": "b"}
    write_rows(tmp_path / "paths.jsonl", [row | {"models": None, "equations": None}])
    assert next(read_paths(tmp_path / "paths.jsonl"))[1].models == ()
    write_rows(tmp_path / "paths.jsonl", [row | {"models": "7b"}])
    with pytest.raises(UserError, match=r"paths\.jsonl:1: models is '7b'; a list of strings"):
        list(read_paths(tmp_path / "paths.jsonl"))


@given(
    st.builds(
        TrainingPath,
        texts,
        texts,
        texts,
        st.just("human"),
        st.tuples(texts, texts),
        st.tuples(texts),
        st.sampled_from(FORMS),
    )
)
def test_a_line_of_paths_is_its_row_in_json(path: TrainingPath) -> None:
    assert path_line(*asdict(path).values()) == json.dumps(to_row(path), ensure_ascii=False) + "\n"
