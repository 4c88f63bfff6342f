from __future__ import annotations

from pathlib import Path

import pytest

from rft_jax.errors import UserError
from rft_jax.records import Problem
from rft_jax.rft.decontaminate import Decontaminator, ngrams, words
from rft_jax.rft.settings import CollectSettings
from tests.rft.make import Collected, run_collect, write_lines, write_samples

SHARED = "Natalia sold clips to 48 of her friends in April and then in May"  # 14 words


def _test_set(folder: Path) -> str:
    rows = [
        {"id": "t1", "question": f"{SHARED}. How many?", "answer": "one two three\n#### 1"},
        {
            "id": "t2",
            "question": "Another?",
            "answer": "She earned twelve dollars an hour, so\n#### 2",
        },
    ]
    return write_lines(folder / "test.jsonl", rows)


def _collect(folder: Path, **settings: object) -> Collected:
    problems = {
        "dirty": f"{SHARED.upper()}!\n#### 18",
        "half": "fresh words only\n#### 18",
        "clean": "other fresh words\n#### 18",
    }
    responses = {
        "dirty": ["<<9+9=18>> fresh\n#### 18"],
        "half": [
            "<<9+9=18>> but she <<1+1=2>>earned twelve: dollars an hour so 18\n#### 18",
            "<<9+9=18>> fresh\n#### 18",
            "<<1+17=18>> fresh too\n#### 18",
        ],
        "clean": ["<<9+9=18>> fresh\n#### 18"],
    }
    samples = write_samples(folder / "s", responses)
    options = {"select": "first", "decontaminate": _test_set(folder), "ngrams": (6, 13), **settings}
    return run_collect(folder, problems, [samples], **options)


def test_words_are_compared_without_case_marks_and_annotations() -> None:
    assert words("He pays $1,200.50, <<600*2=1200>>1200 — twice!") == [
        "he", "pays", "1,200.50", "1200", "twice",
    ]  # fmt: skip
    assert list(ngrams("a b, c", 2)) == ["a b", "b c"]
    assert list(ngrams("a b", 3)) == []


def test_overlap_is_found_in_questions_and_in_answers() -> None:
    test = [Problem("t", "one two three four?", "five six seven\n#### 8")]
    found = Decontaminator(test, (3,), 0)
    assert found.find("Zero ONE, two three!", 3) == ("one two three", "t")
    assert found.find("five six\nseven", 3) == ("five six seven", "t")
    assert found.find("three four five", 3) is None  # across the two texts


def test_scripts_without_spaces_are_compared_by_characters() -> None:
    assert words("小明有3个apples。") == ["小", "明", "有", "3", "个", "apples"]
    found = Decontaminator([Problem("t", "小明有三个红苹果和四个绿苹果", "#### 7")], (8,), 0)
    assert found.find("问：小明有三个红苹果。", 8) == ("小 明 有 三 个 红 苹 果", "t")
    assert found.find("小红有三个红苹果", 8) is None


def test_a_copied_question_is_found_however_short_and_a_short_solution_is_not() -> None:
    found = Decontaminator([Problem("t", "How many apples?", "#### 7")], (8,), 8)
    assert found.find_question("how many  APPLES", 8) == ("how many apples", "t")
    assert found.find_question("How many apples are there?", 8) is None
    assert found.find_question("", 8) is None
    assert found.exclude(Problem("a", "How many apples?", "#### 7"), []).question
    excluded = found.exclude(Problem("b", "Another?", "#### 7"), ["#### 7"])
    assert (excluded.question, excluded.human, excluded.texts) == (False, False, ())


def test_overlap_is_reported_and_nothing_is_removed_unasked(tmp_path: Path) -> None:
    result = _collect(tmp_path)
    found = result.stats["contamination"]
    assert found["overlaps"] == {
        "6-gram": {"question": 0, "human": 1, "sampled": 1},
        "13-gram": {"question": 0, "human": 1, "sampled": 0},
    }
    assert found["removed_ngram"] == 0
    assert [(row["id"], row["in"], row["n"], row["with"]) for row in found["rows"]] == [
        ("dirty", "human", 6, "t1"),
        ("dirty", "human", 13, "t1"),
        ("half", "sampled", 6, "t2"),
    ]
    assert found["rows"][2]["shared"] == "she earned twelve dollars an hour"
    assert [row["id"] for row in result.paths if row["origin"] == "human"] == [
        "dirty", "half", "clean",
    ]  # fmt: skip


def test_on_demand_paths_are_removed_and_a_clean_path_takes_their_place(tmp_path: Path) -> None:
    result = _collect(tmp_path, remove_ngram=6)
    assert [row["id"] for row in result.paths if row["origin"] == "human"] == ["half", "clean"]
    assert result.kept("half") == ["<<9+9=18>> fresh\n#### 18", "<<1+17=18>> fresh too\n#### 18"]
    assert len(result.kept("dirty")) == 1  # only its reference solution overlaps
    assert result.stats["paths"]["human"] == 2
    assert result.stats["contamination"]["overlaps"]["6-gram"]["sampled"] == 1
    assert [row["kept"] for row in result.ledger] == [True, False, True, True, True]


def test_a_problem_whose_question_overlaps_is_left_out_whole(tmp_path: Path) -> None:
    test = write_lines(
        tmp_path / "test.jsonl", [{"question": "What is dirty? I ask you", "answer": "#### 1"}]
    )
    samples = write_samples(tmp_path / "s", {"dirty": ["<<9+9=18>>\n#### 18"]})
    result = run_collect(
        tmp_path,
        {"dirty": "#### 18", "clean": "#### 18"},
        [samples],
        decontaminate=test,
        ngrams=(3,),
        remove_ngram=3,
    )
    assert [row["id"] for row in result.paths] == ["clean"]
    assert result.ledger[0]["verdict"] == "correct" and not result.ledger[0]["kept"]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_missing_test_set_is_one_clear_error(tmp_path: Path, workers: int) -> None:
    samples = write_samples(tmp_path / "s", {"p": ["a"]})
    with pytest.raises(UserError, match="no such file, and no data set of that name"):
        run_collect(
            tmp_path, {"p": "#### 1"}, [samples], decontaminate="missing.jsonl", workers=workers
        )


def test_lengths_may_come_as_a_list_from_gin() -> None:
    assert CollectSettings(ngrams=[5, 9]).ngrams == (5, 9)  # type: ignore[arg-type]
