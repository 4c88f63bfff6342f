"""Exports are read back with the fields and types that other trainers expect."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from datasets import load_dataset

from rft_jax.cli import main
from rft_jax.derive.exports import FORMATS, Source, export_data
from rft_jax.errors import UserError
from rft_jax.files.jsonl import read_rows, write_rows


def read(path: Path) -> list[dict[str, Any]]:
    """As users of other trainers would, by `datasets`."""
    kind = "parquet" if path.suffix == ".parquet" else "json"
    cache = str(path.parent / "cache")
    return load_dataset(kind, data_files=str(path), split="train", cache_dir=cache).to_list()


@pytest.fixture
def collected(tmp_path: Path) -> Source:
    """Two problems with samples: two correct (one twice), two incorrect, one undecided."""
    write_rows(
        tmp_path / "problems.jsonl",
        [
            {"id": "a", "question": "1 + 2?", "answer": "<<1+2=3>>\n#### 3"},
            {"id": "b", "question": "1 / 2?", "answer": "#### 1/2"},
        ],
    )
    responses = ["#### 3", "#### 3", "So 3.\n#### 3", "#### 4", "#### 5", "none"]
    samples = [
        {"id": "a", "sample": i, "model": "m", "response": text} for i, text in enumerate(responses)
    ]
    samples.append({"id": "b", "sample": 0, "model": "m", "response": "#### 1/2"})
    verdicts = ["correct", "correct", "correct", "wrong_answer", "wrong_answer", "timeout"]
    ledger = [
        {"id": row["id"], "sample": row["sample"], "model": "m", "verdict": verdict}
        for row, verdict in zip(samples, [*verdicts, "wrong_equation"], strict=True)
    ]
    folder = tmp_path / "collected"
    write_rows(tmp_path / "samples" / "samples.jsonl", samples)
    write_rows(folder / "ledger.jsonl", ledger)
    paths = [
        {"id": "a", "query": "1 + 2?", "response": "#### 3", "origin": "human", "models": []},
        {"id": "b", "query": "1 / 2?", "response": "#### 1/2", "origin": "human", "models": []},
    ]
    write_rows(folder / "paths.jsonl", [row | {"equations": []} for row in paths])
    return Source(str(folder), (str(tmp_path / "samples"),))


PROMPT = Source("").prompt("1 + 2?")
EXPECTED = {
    "messages": {
        "messages": [
            {"role": "user", "content": "1 + 2?"},
            {"role": "assistant", "content": "#### 3"},
        ]
    },
    "prompt_completion": {"prompt": PROMPT, "completion": "#### 3"},
    "preference": {"prompt": PROMPT, "chosen": "#### 3", "rejected": "#### 4"},
    "kto": {"prompt": PROMPT, "completion": "#### 3", "label": True},
}


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".parquet"])
@pytest.mark.parametrize(("form", "count"), [("messages", 2), ("prompt_completion", 2)])
def test_paths_become_conversations_and_completions(
    collected: Source, tmp_path: Path, form: str, count: int, suffix: str
) -> None:
    output = tmp_path / f"out{suffix}"
    assert export_data(Source(collected.name), form, str(output)) == count
    assert read(output)[0] == EXPECTED[form]


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_distinct_correct_and_incorrect_samples_become_pairs_and_labels(
    collected: Source, tmp_path: Path, suffix: str
) -> None:
    pairs, labels = tmp_path / f"pairs{suffix}", tmp_path / f"labels{suffix}"
    assert export_data(collected, "preference", str(pairs)) == 2
    assert read(pairs) == [
        EXPECTED["preference"],
        {"prompt": PROMPT, "chosen": "So 3.\n#### 3", "rejected": "#### 5"},
    ]
    assert export_data(collected, "kto", str(labels)) == 4
    assert [row["label"] for row in read(labels)] == [True, True, False, False]
    assert read(labels)[0] == EXPECTED["kto"]


@pytest.mark.parametrize("name", ["m", "m/samples.jsonl"])
def test_samples_that_name_no_model_are_those_of_their_folder(
    collected: Source, tmp_path: Path, name: str
) -> None:
    rows = [row for _, row in read_rows(tmp_path / "samples" / "samples.jsonl")]
    write_rows(tmp_path / "m" / "samples.jsonl", [row | {"model": ""} for row in rows])
    source = Source(collected.name, (str(tmp_path / name),))
    assert export_data(source, "kto", str(tmp_path / "kto.jsonl")) == 4


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
@pytest.mark.parametrize("form", ["prompt_completion", "preference", "kto"])
def test_with_the_template_chat_prompts_and_responses_are_messages(
    collected: Source, tmp_path: Path, form: str, suffix: str
) -> None:
    output = tmp_path / f"{form}{suffix}"
    words = ["--from", collected.name, "--template", "chat"]
    words += [] if form == "prompt_completion" else ["--samples", *collected.samples]
    assert main(["export-data", *words, "--format", form, "--output", str(output)]) == 0
    expected: dict[str, Any] = {
        name: [{"role": "assistant", "content": value}] if isinstance(value, str) else value
        for name, value in EXPECTED[form].items()
    }
    assert read(output)[0] == {**expected, "prompt": [{"role": "user", "content": "1 + 2?"}]}


def test_a_prompt_for_a_program_asks_for_one_in_its_message() -> None:
    content = "1 + 2? Let's write a program."
    for source, form in (
        (Source("", template="chat"), "program"),
        (Source("", template="chat+program"), "text"),
    ):
        assert source.prompt("1 + 2?", form) == [{"role": "user", "content": content}]


@pytest.mark.usefixtures("collected")
def test_problems_become_verls_rows(tmp_path: Path) -> None:
    problems, output = tmp_path / "problems.jsonl", tmp_path / "train.parquet"
    words = ["--from", str(problems), "--format", "verl", "--output", str(output)]
    assert main(["export-data", *words]) == 0
    assert read(output) == [
        {
            "data_source": "problems",
            "prompt": [{"role": "user", "content": question}],
            "ability": "math",
            "reward_model": {"style": "rule", "ground_truth": answer},
            "extra_info": {"index": index, "id": name, "answer": solution},
        }
        for index, (name, question, answer, solution) in enumerate(
            [
                ("a", "1 + 2?", "3", "<<1+2=3>>\n#### 3"),
                ("b", "1 / 2?", "1/2", "#### 1/2"),
            ]
        )
    ]


def test_samples_of_other_programs_that_collecting_skipped_are_skipped_again(
    tmp_path: Path,
) -> None:
    problems, samples = tmp_path / "problems.jsonl", tmp_path / "m.jsonl"
    write_rows(problems, [{"id": "a", "question": "1 + 2?", "answer": "<<1+2=3>>\n#### 3"}])
    rows = [
        {"problem": question, "generation": text}
        for question, text in (("1 + 2?", "<<1+2=3>> So\n#### 3"), ("who?", "#### 3"))
    ]
    write_rows(samples, [*rows, {"problem": "1 + 2?", "generation": "#### 4"}])
    words = ["--problems", str(problems), "--samples", str(samples), "--samples_format"]
    settings = ["--gin.collect.unmatched=skip", "--gin.collect.workers=1"]
    folder, output = str(tmp_path / "c"), tmp_path / "kto.jsonl"
    assert main(["collect", *words, "nemo_skills", *settings, "--output", folder]) == 0
    words += ["nemo_skills", "--from", folder, "--format", "kto", "--output", str(output)]
    assert main(["export-data", *words]) == 0
    assert [(row["completion"], row["label"]) for row in read(output)] == [
        ("<<1+2=3>> So\n#### 3", True),
        ("#### 4", False),
    ]
    write_rows(samples, rows)
    with pytest.raises(UserError, match=r"1 samples of its ledger\.jsonl are not in --samples"):
        export_data(Source(folder, (str(samples),)), "kto", str(output))
    other = Source(folder, (str(samples),), samples_format="openai")
    with pytest.raises(UserError, match=r"1: neither .* looks like --samples_format columns"):
        export_data(other, "kto", str(output))


def test_the_format_of_samples_needs_samples_and_is_one_of_those_that_there_are(
    collected: Source, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["export-data", "--from", collected.name, "--samples_format", "csv", "--format", "kto"]
    words += ["--output", str(tmp_path / "kto.jsonl")]
    assert main(words) == 2
    assert "--samples_format is for --samples; name some" in capsys.readouterr().err
    assert main([*words, "--samples", *collected.samples]) == 2
    assert "--samples_format csv: one of rft, columns" in capsys.readouterr().err


def test_a_policys_folder_has_its_samples_and_needs_the_problems(
    collected: Source, tmp_path: Path
) -> None:
    folder = Path(collected.name)
    (tmp_path / "samples").rename(folder / "samples")
    (folder / "paths.jsonl").unlink()
    with pytest.raises(UserError, match="holds no questions; name its problems with --problems"):
        export_data(Source(str(folder)), "kto", str(tmp_path / "kto.jsonl"))
    source = Source(str(folder), problems=str(tmp_path / "problems.jsonl"))
    assert export_data(source, "kto", str(tmp_path / "kto.jsonl")) == 4


def test_a_problem_without_any_path_needs_the_problems(collected: Source, tmp_path: Path) -> None:
    paths = Path(collected.name) / "paths.jsonl"
    write_rows(paths, [row for _, row in read_rows(paths) if row["id"] == "b"])
    with pytest.raises(UserError, match=r"problem 'a' .* not in paths.jsonl; name .* --problems"):
        export_data(collected, "kto", str(tmp_path / "kto.jsonl"))
    source = replace(collected, problems=str(tmp_path / "problems.jsonl"))
    assert export_data(source, "kto", str(tmp_path / "kto.jsonl")) == 4


def test_a_policys_responses_are_exported_as_they_were_graded(tmp_path: Path) -> None:
    """Without what they ramble on behind the answer; a program's prompt asks for one."""
    responses = ["#### 3\n#### 7", "#### 3", "#### 4 thanks", "print(3)"]
    ends, forms = [6, 6, 6, 8], ["text", "text", "text", "program"]
    common = [{"id": "a", "sample": i, "model": "m"} for i in range(4)]
    samples = [
        row | {"response": text, "form": form}
        for row, text, form in zip(common, responses, forms, strict=True)
    ]
    verdicts = ["correct", "correct", "wrong_answer", "correct"]
    ledger = [
        row | {"verdict": verdict, "end": end}
        for row, verdict, end in zip(common, verdicts, ends, strict=True)
    ]
    write_rows(tmp_path / "problems.jsonl", [{"id": "a", "question": "1 + 2?", "answer": "#### 3"}])
    write_rows(tmp_path / "policy" / "samples" / "samples.jsonl", samples)
    write_rows(tmp_path / "policy" / "ledger.jsonl", ledger)
    source = Source(str(tmp_path / "policy"), problems=str(tmp_path / "problems.jsonl"))
    assert export_data(source, "kto", str(tmp_path / "kto.jsonl")) == 3
    assert read(tmp_path / "kto.jsonl") == [
        {"prompt": PROMPT, "completion": "#### 3", "label": True},
        {"prompt": PROMPT, "completion": "#### 4", "label": False},
        {"prompt": "1 + 2? Let's write a program.\n", "completion": "print(3)", "label": True},
    ]


@pytest.mark.parametrize(
    ("changed", "form", "flag"),
    [
        ({"samples": ("s",)}, "messages", "samples"),
        ({"problems": "p"}, "paths", "problems"),
        ({"template": "chat"}, "verl", "template"),
        ({"samples_format": "vllm"}, "messages", "samples_format"),
    ],
)
def test_what_a_format_does_not_read_is_refused(
    tmp_path: Path, changed: dict[str, Any], form: str, flag: str
) -> None:
    with pytest.raises(UserError, match=f"--{flag} has no effect with --format {form}; leave it"):
        export_data(Source("folder", **changed), form, str(tmp_path / "out.jsonl"))


@pytest.mark.usefixtures("collected")
@pytest.mark.parametrize(
    ("source", "form", "output", "message"),
    [
        ("problems.jsonl", "dpo", "o.jsonl", "--format dpo: one of paths, messages"),
        ("problems.jsonl", "messages", "o.csv", r"o.csv: a name that ends in .parquet, .jsonl"),
        ("problems.jsonl", "preference", "o.jsonl", "no ledger.jsonl in it; this format needs"),
        ("collected", "kto", "o.jsonl", "its samples are elsewhere; name them with --samples"),
    ],
)
def test_what_cannot_be_exported_is_refused_and_writes_nothing(
    tmp_path: Path, source: str, form: str, output: str, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        export_data(Source(str(tmp_path / source)), form, str(tmp_path / output))
    assert not (tmp_path / output).exists()


def test_every_format_is_described_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["export-data", "--help"])
    text = capsys.readouterr().out
    assert all(f"{name}" in text for name in FORMATS)


def test_a_sample_of_the_ledger_that_is_not_among_the_samples_is_named(
    collected: Source, tmp_path: Path
) -> None:
    rows = [row for _, row in read_rows(tmp_path / "samples" / "samples.jsonl")]
    write_rows(tmp_path / "fewer" / "samples.jsonl", rows[:-1])
    source = Source(collected.name, (str(tmp_path / "fewer"),))
    with pytest.raises(UserError, match=r"1 samples of its ledger\.jsonl are not in --samples"):
        export_data(source, "kto", str(tmp_path / "kto.jsonl"))
