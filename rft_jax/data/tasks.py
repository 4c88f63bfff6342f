"""Training data as seqio Tasks and Mixtures.

A Task yields `inputs` (the prompt) and `targets` (the response and EOS) as token ids, and the texts
`question` and `response`. BOS is added by the feature converter: `DecoderFeatureConverter(
bos_id=...)` puts it where the plain-Python preprocessing has it. seqio uses id 0 for padding, so no
text may contain it.

`gsm8k_sft` (tokenized as the model folder in $RFT_TOKENIZER does, else into bytes) and
`wordproblems_sft` are registered at import, others by the modules that $RFT_TASK_MODULES names.
"""

from __future__ import annotations

import functools
import glob
import hashlib
import importlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import rft_jax.data.quiet_tensorflow  # noqa: F401  (before TensorFlow)

# isort: split
import seqio
import tensorflow as tf

from rft_jax.data.preprocess import training_examples
from rft_jax.data.vocabulary import TokenizerVocabulary, mistakes, noting
from rft_jax.errors import UserError
from rft_jax.prompts import get_template
from rft_jax.wordproblems.splits import PROBLEM_SPLITS, SPLITS
from rft_jax.wordproblems.vocabulary import TOKENIZER_FOLDER

TOKENIZER = "RFT_TOKENIZER"
TASK_MODULES = "RFT_TASK_MODULES"
_TEXTS = ("question", "response")
_definitions: dict[str, object] = {}

if glob.glob("/dev/nvidia*"):  # without a GPU the call below prints an error
    tf.config.set_visible_devices([], "GPU")  # JAX uses the accelerator's memory


def register_task(
    name: str,
    splits: Mapping[str, str],
    tokenizer: str | None = None,
    template: str = "plain",
    num_examples: Mapping[str, int] | None = None,
    form: str | None = None,
) -> str:
    """Registers a Task over problems or paths and returns its name; once more has no effect.

    Args:
      name: of the task.
      splits: seqio split -> a JSONL file or a named set (`gsm8k:train`).
      tokenizer: a folder with a tokenizer; None for that in $RFT_TOKENIZER, else bytes.
      template: name of the prompt template.
      num_examples: examples per split, if they are known.
      form: of the responses, `text` or `program`; None for all.

    Raises:
      UserError: another task has that name.
    """
    folder = tokenizer or os.environ.get(TOKENIZER)
    if not _is_new("task", name, (dict(splits), folder, template, form)):
        return name
    vocabulary = TokenizerVocabulary(folder) if folder else seqio.ByteVocabulary()
    seqio.TaskRegistry.add(
        name,
        source=seqio.FunctionDataSource(
            functools.partial(_dataset, dict(splits), template, form),
            splits=tuple(splits),
            num_input_examples=num_examples,
        ),
        preprocessors=[
            seqio.preprocessors.tokenize,
            seqio.CacheDatasetPlaceholder(),
            seqio.preprocessors.append_eos,
        ],
        output_features={
            "inputs": seqio.Feature(vocabulary, add_eos=False),
            "targets": seqio.Feature(vocabulary, add_eos=True),
        },
    )
    return name


def _is_new(kind: str, name: str, definition: object) -> bool:
    """Notes what a name stands for; False where it was registered before, as the same.

    Raises:
      UserError: it stands for something else.
    """
    is_new = name not in _definitions
    known = _definitions.setdefault(name, definition)
    if known != definition:
        raise UserError(f"{kind} {name!r} is registered already, with {known}; take another name")
    return is_new


def _dataset(
    splits: Mapping[str, str],
    template: str,
    form: str | None,
    split: str,
    shuffle_files: bool = False,  # noqa: ARG001 (what seqio calls it with)
    seed: int | None = None,  # noqa: ARG001
) -> tf.data.Dataset:
    """The examples of a split as texts."""
    render = get_template(template).render

    def generate() -> Iterator[dict[str, str]]:
        with noting():
            for question, response in training_examples(splits[split], form):
                yield {
                    "inputs": render(question),
                    "targets": response,
                    "question": question,
                    "response": response,
                }

    names = ("inputs", "targets", *_TEXTS)
    return tf.data.Dataset.from_generator(
        generate, output_signature={name: tf.TensorSpec((), tf.string) for name in names}
    )


def register_paths(
    path: str,
    tokenizer: str | None = None,
    template: str = "plain",
    name: str | None = None,
    form: str | None = None,
) -> str:
    """Registers a Task over a problems or paths file, with the split `train`; returns its name.

    Args:
      path: of the file.
      tokenizer: as in `register_task`.
      template: as in `register_task`.
      name: of the task; None for one made of the file's folder, its name and a digest of its path,
        and the form.
      form: as in `register_task`.
    """
    if name is None:
        file = Path(path).resolve()
        digest = hashlib.sha256(str(file).encode()).hexdigest()[:8]
        name = f"{file.parent.name}_{file.name.split('.')[0]}_{digest}".replace("-", "_")
        name = f"{name}_{form}" if form else name
        name = "".join(c if c.isalnum() or c == "_" else "_" for c in name)
    count = sum(1 for _ in training_examples(path, form))
    return register_task(name, {"train": path}, tokenizer, template, {"train": count}, form)


def register_forms(
    name: str,
    path: str,
    rates: Mapping[str, float],
    tokenizer: str | None = None,
    template: str = "plain",
) -> str:
    """Registers a Mixture of the texts and the programs of one file; returns its name.

    Args:
      name: of the mixture.
      path: of the file.
      rates: `text` and `program` -> sampling rate, relative to the other.
      tokenizer: as in `register_task`.
      template: as in `register_task`.
    """
    tasks = {
        register_paths(path, tokenizer, template, form=form): rate for form, rate in rates.items()
    }
    return register_mixture(name, tasks)


def register_mixture(
    name: str,
    rates: Mapping[str, float],
    tokenizer: str | None = None,
    template: str = "plain",
) -> str:
    """Registers a Mixture of tasks, paths files and named sets; returns its name.

    Args:
      name: of the mixture.
      rates: task, file or named set -> its sampling rate, relative to the others.
      tokenizer: of files and named sets, as in `register_task`.
      template: of files and named sets, as in `register_task`.

    Raises:
      UserError: another mixture has that name.
    """
    members = tuple((_member(spec, tokenizer, template), float(r)) for spec, r in rates.items())
    if _is_new("mixture", name, members):
        seqio.MixtureRegistry.add(name, list(members))
    return name


def _member(spec: str, tokenizer: str | None, template: str) -> str:
    if spec in seqio.TaskRegistry.names() or spec in seqio.MixtureRegistry.names():
        return spec
    return register_paths(spec, tokenizer, template)


def task_examples(name: str, split: str = "train") -> Iterator[tuple[str, str]]:
    """(question, response) pairs of a Task, in its order, or of one epoch of a Mixture.

    An epoch of a Mixture has as many examples as its tasks together, sampled at its rates.

    Args:
      name: of the task or mixture.
      split: of its examples.

    Raises:
      UserError: there is no such task, it lacks the split, its examples have no texts, or their
        source is refused.
    """
    provider = _find(name)
    if split not in provider.splits:
        raise UserError(
            f"task {name!r} has no split {split!r}, only {', '.join(provider.splits)}; register "
            "one whose examples are there"
        )
    options = {"sequence_length": None, "split": split, "shuffle": False, "seed": 0}
    if isinstance(provider, seqio.Mixture):
        total = sum(_size(task, split) for task in provider.tasks)
        dataset = provider.get_dataset(
            **options, num_epochs=None, copy_pretokenized=True, passthrough_features=_TEXTS
        ).take(total)
    else:
        dataset = provider.get_dataset(**options, num_epochs=1)
    fields = _text_fields(name, dataset.element_spec)
    mistakes.clear()
    try:
        for example in dataset.as_numpy_iterator():
            question, response = (example[field].decode("utf-8") for field in fields)
            yield question, response
    except tf.errors.OpError:
        for mistake in mistakes:
            raise mistake from None
        raise


def _find(name: str) -> seqio.Task | seqio.Mixture:
    for module in filter(None, os.environ.get(TASK_MODULES, "").split(",")):
        try:
            importlib.import_module(module.strip())
        except ImportError as error:
            raise UserError(
                f"${TASK_MODULES}: {module.strip()!r} can't be imported ({error}); put its folder "
                "into $PYTHONPATH, or take it out"
            ) from error
    try:
        return seqio.get_mixture_or_task(name)
    except ValueError as error:
        names = sorted({*seqio.TaskRegistry.names(), *seqio.MixtureRegistry.names()})
        raise UserError(
            f"{name}: no such file and no seqio task; the tasks are {', '.join(names)}; name "
            f"modules with others in ${TASK_MODULES}"
        ) from error


def _size(task: seqio.Task, split: str) -> int:
    size = task.num_input_examples(split)
    return size if size is not None else sum(1 for _ in task.source.get_dataset(split))


def _text_fields(name: str, spec: Mapping[str, Any]) -> Sequence[str]:
    for fields in (_TEXTS, ("inputs_pretokenized", "targets_pretokenized")):
        if all(field in spec for field in fields):
            return fields
    raise UserError(
        f"task {name!r} has no texts (question and response, or inputs_pretokenized and "
        f"targets_pretokenized) in its examples, only {', '.join(spec)}; add those fields"
    )


register_task("gsm8k_sft", {"train": "gsm8k:train", "test": "gsm8k:test"})
register_task(
    "wordproblems_sft",
    {split: f"wordproblems:{split}" for split in PROBLEM_SPLITS if not SPLITS[split].has_names},
    str(TOKENIZER_FOLDER),
)
