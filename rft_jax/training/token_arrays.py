"""Tokenized examples as flat arrays with a manifest: what training reads.

A folder holds `tokens.npy` (all examples' ids, concatenated), `offsets.npy` (where each begins, and
the end), `prompt_lengths.npy`, `questions.npy` (which examples have the same question) and
`manifest.json` (their source, tokenizer and template).
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from rft_jax.errors import UserError
from rft_jax.files.jsonl import atomic_write, read_json, write_json
from rft_jax.prompts import Template
from rft_jax.tokenizers import Tokenizer

MANIFEST = "manifest.json"
_ARRAYS = ("tokens", "offsets", "prompt_lengths")
_QUESTIONS = "questions"  # older folders lack it
_COUNTS = ("examples", "empty", "dropped", "cut", "tokens", "response_tokens")  # of a manifest
_BATCH = 4096
_AGAIN = "make the token arrays again"


@dataclass(frozen=True, eq=False)
class TokenArrays:
    """Examples as token ids; example i is `tokens[offsets[i]:offsets[i + 1]]`.

    Attributes:
      tokens: int32[total].
      offsets: int64[n + 1].
      prompt_lengths: int32[n], leading tokens of each example that carry no loss.
      manifest: their source, tokenizer and template; how many were empty, dropped or cut.
      questions: int32[n], the index of each example's question; None if it is unknown.
    """

    tokens: np.ndarray
    offsets: np.ndarray
    prompt_lengths: np.ndarray
    manifest: Mapping[str, Any] = field(default_factory=dict)
    questions: np.ndarray | None = None

    @property
    def lengths(self) -> np.ndarray:
        """int64[n], number of tokens of each example."""
        return np.diff(self.offsets)

    @property
    def num_questions(self) -> int:
        """Number of different questions; that of examples if it is unknown."""
        return len(self) if self.questions is None else len(np.unique(self.questions))

    def __len__(self) -> int:
        return len(self.prompt_lengths)

    def save(self, folder: str | Path) -> None:
        """Writes the folder; the manifest last, so that a partial folder has none."""
        for name in (*_ARRAYS, _QUESTIONS):
            if getattr(self, name) is not None:
                with atomic_write(Path(folder) / f"{name}.npy", "wb") as file:
                    np.save(file, getattr(self, name))
        write_json(Path(folder) / MANIFEST, dict(self.manifest))


def is_token_arrays(folder: str | Path) -> bool:
    """Whether the folder holds token arrays."""
    return (Path(folder) / MANIFEST).exists() and (Path(folder) / "tokens.npy").exists()


def load_token_arrays(folder: str | Path) -> TokenArrays:
    """Token arrays of a folder, memory-mapped.

    Raises:
      UserError: a file is missing or damaged, or they don't describe the same examples.
    """
    folder = Path(folder)
    manifest = read_json(folder / MANIFEST)
    arrays = {name: _load_array(folder / f"{name}.npy") for name in _ARRAYS}
    questions = folder / f"{_QUESTIONS}.npy"
    arrays[_QUESTIONS] = _load_array(questions) if questions.exists() else None
    loaded = TokenArrays(**arrays, manifest=manifest)
    if not isinstance(manifest, dict) or not _describe_the_same(loaded):
        raise UserError(f"{folder}: the arrays don't describe the same examples; {_AGAIN}")
    return loaded


def _load_array(path: Path) -> Any:
    try:
        array = np.load(path, mmap_mode="r")
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; {_AGAIN}") from error
    except Exception as error:  # NumPy raises many kinds for a damaged or an object array
        raise UserError(f"{path}: not an array that can be read ({error}); {_AGAIN}") from error
    if not isinstance(array, np.ndarray) or array.ndim != 1 or array.dtype.kind not in "iu":
        raise UserError(f"{path}: a row of integers is needed; {_AGAIN}")
    return array


def _describe_the_same(arrays: TokenArrays) -> bool:
    """Whether offsets, tokens, prompt lengths and questions are of the same examples."""
    offsets, prompts, questions = arrays.offsets, arrays.prompt_lengths, arrays.questions
    counts = {len(offsets) - 1, len(prompts), len(prompts if questions is None else questions)}
    return (
        len(counts) == 1
        and len(prompts) > 0
        and (offsets[0], offsets[-1]) == (0, len(arrays.tokens))
        and bool((prompts >= 0).all() and (prompts < arrays.lengths).all())
    )


def equal_question_weights(arrays: TokenArrays) -> np.ndarray:
    """float32[n]: one over the number of examples of an example's question, 1 on average.

    Raises:
      UserError: the arrays lack the questions' indices.
    """
    if arrays.questions is None:
        raise UserError(
            "train.question_weights = 'equal': these token arrays don't say which examples have "
            f"the same question; {_AGAIN}"
        )
    _, number, counts = np.unique(arrays.questions, return_inverse=True, return_counts=True)
    weights = 1.0 / counts[number]
    return (weights / weights.mean()).astype(np.float32)


def tokenize(
    examples: Iterable[tuple[str, str]],
    tokenizer: Tokenizer,
    template: Template,
    max_length: int,
    over_long: str = "drop",
    source: str = "the data",
) -> TokenArrays:
    """Token arrays of (question, response) pairs.

    An example is BOS (if the tokenizer has one), the rendered prompt, the response and EOS. A row
    of `max_length` columns holds `max_length + 1` tokens, since the last is only a target. Empty
    responses are dropped, and counted.

    Args:
      examples: in the order of the result.
      tokenizer: for prompts and responses, which are tokenized separately.
      template: puts a question into a prompt.
      max_length: columns of a row.
      over_long: a longer example is dropped ('drop'), or its prompt truncated on the left, as in
        the paper's code ('cut'); if its response alone is too long, it is dropped either way.
      source: names the examples in messages.

    Raises:
      UserError: no example is left.
    """
    made = _Tokenized(tokenizer, max_length + 1, over_long == "cut")
    digest = hashlib.sha256()
    iterator = iter(examples)
    while batch := list(islice(iterator, _BATCH)):
        prompts = tokenizer.encode_batch([template.render(query) for query, _ in batch])
        responses = tokenizer.encode_batch([response for _, response in batch])
        for example, prompt, response in zip(batch, prompts, responses, strict=True):
            digest.update(repr(example).encode("utf-8", "surrogatepass"))
            made.add(example, prompt, response)
    if not made.lengths:
        raise UserError(
            f"{source}: no example is left: {made.counts['examples']} read, "
            f"{made.counts['empty']} with an empty response, {made.counts['dropped']} longer than "
            f"train.max_length {max_length}"
        )
    return made.arrays(
        {
            "source_sha256": digest.hexdigest(),
            "tokenizer": tokenizer.fingerprint,
            "template": {"name": template.name, "prompt": template.prompt},
            "max_length": max_length,
            "over_long": over_long,
        }
    )


class _Tokenized:
    """Examples that were tokenized so far; a token takes four bytes.

    Args:
      tokenizer: of the examples.
      longest: maximum tokens of an example.
      cuts: whether the prompt of a longer one is truncated.

    Attributes:
      counts: examples read, and those that were empty, dropped and cut.
      lengths: tokens of each example that is kept.
    """

    def __init__(self, tokenizer: Tokenizer, longest: int, cuts: bool) -> None:
        self._begin = [] if tokenizer.bos_id is None else [tokenizer.bos_id]
        self._end = [tokenizer.eos_id]
        self._longest, self._cuts = longest, cuts
        self._indices: dict[str, int] = {}  # of questions
        self._tokens, self._prompt_lengths, self._questions = array("i"), array("i"), array("i")
        self.lengths = array("i")
        self.counts = {"examples": 0, "empty": 0, "dropped": 0, "cut": 0}

    def add(self, example: tuple[str, str], prompt: list[int], response: list[int]) -> None:
        """Takes an example, the tokens of its rendered prompt and those of its response."""
        question, text = example
        self.counts["examples"] += 1
        length = len(self._begin) + len(prompt) + len(response) + len(self._end)
        excess = length - self._longest
        if not text.strip():
            self.counts["empty"] += 1
        elif excess > 0 and (not self._cuts or excess > len(prompt)):
            self.counts["dropped"] += 1
        else:
            self.counts["cut"] += excess > 0
            prompt = self._begin + prompt[max(excess, 0) :]
            self._tokens.extend(prompt + response + self._end)
            self.lengths.append(min(length, self._longest))
            self._prompt_lengths.append(len(prompt))
            self._questions.append(self._indices.setdefault(question, len(self._indices)))

    def arrays(self, source: dict[str, Any]) -> TokenArrays:
        """All of them, with what the manifest says of their source."""
        lengths, tokens, prompts, questions = (
            np.frombuffer(values, np.int32)
            for values in (self.lengths, self._tokens, self._prompt_lengths, self._questions)
        )
        offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        responses = len(tokens) - int(prompts.sum(dtype=np.int64))
        sizes = {"tokens": len(tokens), "response_tokens": responses}
        return TokenArrays(tokens, offsets, prompts, self.counts | sizes | source, questions)


def first_examples(arrays: TokenArrays, count: int) -> TokenArrays:
    """Token arrays of the first examples; how many were cut among them is not known.

    Args:
      arrays: of all examples.
      count: how many to take at most.
    """
    if count >= len(arrays):
        return arrays
    offsets, prompts = arrays.offsets[: count + 1], arrays.prompt_lengths[:count]
    tokens = np.asarray(arrays.tokens[: offsets[-1]])
    responses = len(tokens) - int(prompts.sum(dtype=np.int64))
    sizes = {"tokens": len(tokens), "response_tokens": responses}
    source = {name: value for name, value in arrays.manifest.items() if name not in _COUNTS}
    manifest = {"examples": count, "empty": 0, "dropped": 0, **sizes, **source}
    questions = None if arrays.questions is None else arrays.questions[:count]
    return TokenArrays(tokens, offsets, prompts, manifest, questions)


def concatenated(sources: Sequence[TokenArrays]) -> TokenArrays:
    """Token arrays of several sources one behind the other; `sources` counts each one's examples.

    A question that two sources have counts as two.
    """
    ends = np.cumsum([0, *(len(one.tokens) for one in sources)])
    offsets = [one.offsets[:-1] + end for one, end in zip(sources, ends, strict=False)]
    questions, before = [], 0
    for one in sources:
        assert one.questions is not None
        questions.append(one.questions + before)
        before += one.num_questions
    manifests = [one.manifest for one in sources]
    digests = "".join(manifest["source_sha256"] for manifest in manifests)
    manifest = {
        **manifests[0],
        **{name: sum(manifest[name] for manifest in manifests) for name in _COUNTS},
        "source_sha256": hashlib.sha256(digests.encode()).hexdigest(),
        "sources": list(map(len, sources)),
    }
    return TokenArrays(
        np.concatenate([one.tokens for one in sources]),
        np.concatenate([*offsets, ends[-1:]]),
        np.concatenate([one.prompt_lengths for one in sources]),
        manifest,
        np.concatenate(questions),
    )
