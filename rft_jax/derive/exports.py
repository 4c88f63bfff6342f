"""Data for other trainers: conversations, prompt and completion, preferences, KTO, verl.

    paths              the rows of paths.jsonl, for Parquet and a data card
    messages           {"messages": [{"role": "user", "content": …}, {"role": "assistant", …}]}
    prompt_completion  {"prompt": …, "completion": …}
    preference         {"prompt": …, "chosen": …, "rejected": …}
    kto                {"prompt": …, "completion": …, "label": true}
    verl               {"data_source": …, "prompt": […], "ability": …, "reward_model": {…}, …}

TRL and axolotl read `messages` and `prompt_completion`; TRL reads the next two (DPO, KTO); verl
reads the last. With the template `chat`, prompts and responses are lists of messages, which the
trainer renders by the model's chat template (TRL's conversational format).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rft_jax.data.preprocess import training_examples
from rft_jax.data.sources import load_problems
from rft_jax.errors import UserError
from rft_jax.files.jsonl import write_rows
from rft_jax.files.names import SAMPLES_FOLDER
from rft_jax.files.parquet import SUFFIX, write_parquet
from rft_jax.prompts import CHAT, QUESTION, Template, get_template, plain_name
from rft_jax.records import (
    LEDGER_FILE,
    PATHS_FILE,
    VERDICTS,
    Problem,
    Sample,
    read_ledger,
    read_paths,
    to_row,
)
from rft_jax.records.foreign import check_format, read_any_samples
from rft_jax.records.ledger import check_samples_found
from rft_jax.verify.answers import reference_answer

Row = dict[str, Any]
Message = dict[str, str]


@dataclass(frozen=True)
class Source:
    """What is exported.

    Attributes:
      name: a problems or paths file, a named set, or a folder with a ledger (of rft collect or rft
        policy).
      samples: the samples folders of the ledger; none for those in the folder itself.
      problems: the problems of a ledger; '' for those in the folder's paths.
      template: name of the template that makes a prompt of a question; 'chat' makes messages.
      samples_format: of the samples, a key of `records.sample_formats.SAMPLE_FORMATS`; '' for found
        by looking.
    """

    name: str
    samples: tuple[str, ...] = ()
    problems: str = ""
    template: str = "plain"
    samples_format: str = ""

    def prompt(self, question: str, form: str = "text") -> str | list[Message]:
        """The prompt for a question that asks for a response of that form."""
        template = get_template(self.template, chat=lambda: Template(CHAT, QUESTION))
        return self._said("user", template.asking_for(form).render(question))

    def response(self, text: str) -> str | list[Message]:
        """A response as it stands behind such a prompt."""
        return self._said("assistant", text)

    def _said(self, role: str, text: str) -> str | list[Message]:
        is_chat = plain_name(self.template) == CHAT
        return [{"role": role, "content": text}] if is_chat else text

    def pairs(self) -> Iterator[tuple[str, str]]:
        """(question, response) of all examples; of a folder, those of its paths."""
        folder = Path(self.name)
        return training_examples(str(folder / PATHS_FILE) if folder.is_dir() else self.name)

    def judged(self) -> Iterator[tuple[str | list[Message], list[str], list[str]]]:
        """A problem's prompt and its distinct correct and incorrect responses.

        Responses are as they were graded: without what rft policy left out behind the answer.
        Undecided responses, and those with incorrect steps to a correct answer, are neither.

        Raises:
          UserError: there is no ledger, or a sample or a problem of it is missing.
        """
        folder = Path(self.name)
        if not (folder / LEDGER_FILE).is_file():
            raise UserError(
                f"{self.name}: no {LEDGER_FILE} in it; this format needs correct and incorrect "
                "responses: name a folder that rft collect or rft policy wrote"
            )
        wanted = {(r.model, r.id, r.sample): (r.verdict, r.end) for r in read_ledger(folder)}
        responses: dict[tuple[str, str], tuple[list[str], list[str]]] = {}
        questions = self._questions(folder)
        missing = {key for key in wanted if self._is_asked(key[1], wanted[key][0], questions)}
        for key, sample in self._samples(folder, questions):
            missing.discard(key)
            verdict, end = wanted.get(key, ("", None))
            if _is_decided(verdict):
                of_problem = responses.setdefault((sample.id, sample.form), ([], []))
                texts, response = of_problem[verdict != "correct"], sample.response[:end]
                if response not in texts:
                    texts.append(response)
        check_samples_found(missing, folder)
        for (name, form), (correct, incorrect) in responses.items():
            yield self.prompt(questions[name], form), correct, incorrect

    def _is_asked(self, name: str, verdict: str, questions: Mapping[str, str]) -> bool:
        """Whether a problem of the ledger is among those at hand; undecided ones need not be."""
        if name not in questions and _is_decided(verdict):
            raise UserError(
                f"problem {name!r} of the ledger is not in {self.problems or PATHS_FILE}; name "
                "the problems that were sampled with --problems"
            )
        return name in questions

    def _samples(
        self, folder: Path, questions: Mapping[str, str]
    ) -> Iterator[tuple[tuple[str, str, int], Sample]]:
        problems = [Problem(name, question, "") for name, question in questions.items()]
        own = [str(folder / SAMPLES_FOLDER)] if (folder / SAMPLES_FOLDER).is_dir() else []
        folders = self.samples or own
        if not folders:
            raise UserError(f"{self.name}: its samples are elsewhere; name them with --samples")
        for name in folders:
            for _, one in read_any_samples(problems, name, self.samples_format, skips_others=True):
                yield (one.model, one.id, one.sample), one

    def _questions(self, folder: Path) -> dict[str, str]:
        if self.problems:
            return {problem.id: problem.question for problem in load_problems(self.problems)}
        if (folder / PATHS_FILE).is_file():
            return {path.id: path.query for _, path in read_paths(folder / PATHS_FILE)}
        raise UserError(f"{self.name}: holds no questions; name its problems with --problems")


def _is_decided(verdict: str) -> bool:
    return verdict == "correct" or (bool(verdict) and VERDICTS[verdict].answer_correct is False)


def _paths(source: Source) -> Iterator[Row]:
    folder = Path(source.name)
    for _, path in read_paths(folder / PATHS_FILE if folder.is_dir() else folder):
        yield to_row(path)


def _messages(source: Source) -> Iterator[Row]:
    for question, response in source.pairs():
        user = {"role": "user", "content": question}
        yield {"messages": [user, {"role": "assistant", "content": response}]}


def _prompt_completion(source: Source) -> Iterator[Row]:
    for question, response in source.pairs():
        yield {"prompt": source.prompt(question), "completion": source.response(response)}


def _preference(source: Source) -> Iterator[Row]:
    """The i-th correct response of a problem against its i-th incorrect one."""
    for prompt, correct, incorrect in source.judged():
        pairs = zip(map(source.response, correct), map(source.response, incorrect), strict=False)
        for chosen, rejected in pairs:
            yield {"prompt": prompt, "chosen": chosen, "rejected": rejected}


def _kto(source: Source) -> Iterator[Row]:
    for prompt, correct, incorrect in source.judged():
        for label, responses in ((True, correct), (False, incorrect)):
            for response in map(source.response, responses):
                yield {"prompt": prompt, "completion": response, "label": label}


def _verl(source: Source) -> Iterator[Row]:
    name = source.name if ":" in source.name else Path(source.name).name.split(".")[0]
    for index, problem in enumerate(load_problems(source.name)):
        yield {
            "data_source": name,
            "prompt": [{"role": "user", "content": problem.question}],
            "ability": "math",
            "reward_model": {"style": "rule", "ground_truth": _answer(problem)},
            "extra_info": {"index": index, "id": problem.id, "answer": problem.answer},
        }


def _answer(problem: Problem) -> str:
    """A problem's final answer as text.

    Raises:
      UserError: it gives none, or is a program.
    """
    answer = reference_answer(problem.answer) if problem.form == "text" else None
    if answer is None:
        raise UserError(f"problem {problem.id!r} has no answer as a text, which verl compares with")
    return answer


FORMATS: dict[str, Callable[[Source], Iterator[Row]]] = {
    "paths": _paths,
    "messages": _messages,
    "prompt_completion": _prompt_completion,
    "preference": _preference,
    "kto": _kto,
    "verl": _verl,
}
"""Name -> the rows of a source."""


_OF_LEDGER = ("preference", "kto")
_READ = {
    "samples": _OF_LEDGER,
    "problems": _OF_LEDGER,
    "samples_format": _OF_LEDGER,
    "template": ("prompt_completion", *_OF_LEDGER),
}
"""What a source may have -> the formats that read it."""


def _check_source(source: Source, form: str) -> None:
    """Refuses what a format does not read."""
    for name, forms in _READ.items():
        if getattr(source, name) != getattr(Source, name) and form not in forms:
            raise UserError(f"--{name} has no effect with --format {form}; leave it out")


def export_data(source: Source, form: str, output: str) -> int:
    """Writes a file for another trainer and returns its number of rows.

    Args:
      source: what is exported.
      form: one of FORMATS.
      output: a JSONL file (`.jsonl`, `.jsonl.gz`) or a Parquet file (`.parquet`).

    Raises:
      UserError: an unknown format or suffix, nothing to export, or a source that is unsuitable, or
        has what the format does not read.
    """
    if form not in FORMATS:
        raise UserError(f"--format {form}: one of {', '.join(FORMATS)} is needed")
    _check_source(source, form)
    check_format(source.samples_format)
    writers = {SUFFIX: write_parquet, ".jsonl": write_rows, ".jsonl.gz": write_rows}
    writer = next((w for suffix, w in writers.items() if output.endswith(suffix)), None)
    if writer is None:
        raise UserError(f"{output}: a name that ends in {', '.join(writers)} is needed")
    rows = list(FORMATS[form](source))
    if not rows:
        raise UserError(f"{source.name}: nothing in it becomes a row of {form}")
    writer(output, rows)
    return len(rows)
