"""What it imports is slow to import, TensorFlow, and needed where these tests run alone."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rft_jax.data.preprocess import training_examples
from rft_jax.errors import UserError
from rft_jax.files.jsonl import write_rows
from rft_jax.prompts import get_template
from rft_jax.tokenizers import load_tokenizer
from rft_jax.training.token_arrays import tokenize
from rft_jax.wordproblems.vocabulary import TOKENIZER_FOLDER

seqio: Any
tasks: Any

TOKENIZER = str(TOKENIZER_FOLDER)


@pytest.fixture(scope="module", autouse=True)
def tensorflow() -> None:
    global seqio, tasks
    seqio = pytest.importorskip("seqio")
    from rft_jax.data import tasks


@pytest.fixture
def paths(tmp_path: Path) -> str:
    """A paths file of 60 rows in the embedded data's words."""
    rows = [
        {"id": str(i), "query": question, "response": answer, "origin": "sampled", "models": ["m"]}
        for i, (question, answer) in enumerate(islice(training_examples("wordproblems:dev"), 60))
    ]
    write_rows(tmp_path / "paths.jsonl", rows)
    return str(tmp_path / "paths.jsonl")


def _arrays(path: str):
    """Plain-Python preprocessing."""
    return tokenize(training_examples(path), load_tokenizer(TOKENIZER), get_template("plain"), 512)


def test_a_paths_file_is_a_task(paths: str) -> None:
    name = tasks.register_paths(paths, TOKENIZER)
    assert name in seqio.TaskRegistry.names()
    assert name == tasks.register_paths(paths, TOKENIZER)  # the same definition again
    assert list(tasks.task_examples(name)) == list(training_examples(paths))
    assert seqio.get_mixture_or_task(name).num_input_examples("train") == 60
    with pytest.raises(UserError, match="is registered already"):
        tasks.register_paths(paths, TOKENIZER, template="none", name=name)


def test_a_tasks_tokens_are_those_of_plain_preprocessing(paths: str) -> None:
    name = tasks.register_paths(paths, TOKENIZER)
    task = seqio.get_mixture_or_task(name)
    arrays = _arrays(paths)
    examples = list(task.get_dataset(None, "train", shuffle=False).as_numpy_iterator())
    assert len(examples) == len(arrays) == 60
    for index, example in enumerate(examples):
        whole = np.concatenate([example["inputs"], example["targets"]])
        expected = arrays.tokens[arrays.offsets[index] : arrays.offsets[index + 1]]
        np.testing.assert_array_equal(whole, expected)
        assert len(example["inputs"]) == arrays.prompt_lengths[index]


@pytest.mark.parametrize("pack", [False, True])
def test_the_decoder_converter_makes_the_same_tokens_and_loss_weights(
    paths: str, pack: bool
) -> None:
    name = tasks.register_paths(paths, TOKENIZER)
    arrays = _arrays(paths)
    dataset = seqio.get_dataset(
        name,
        {"inputs": 128, "targets": 128},
        seqio.DecoderFeatureConverter(pack=pack, bos_id=0),
        verbose=False,
    )
    seen = []
    for row in dataset.as_numpy_iterator():
        segments = row["decoder_segment_ids"] if pack else row["decoder_target_tokens"] > 0
        for segment in range(1, int(segments.max()) + 1):
            mine = segments == segment
            weights = row["decoder_loss_weights"][mine]
            seen.append((row["decoder_target_tokens"][mine].tolist(), int((weights == 0).sum())))
            assert (np.diff(weights) >= 0).all()  # the prompt, then the response
            assert row["decoder_input_tokens"][mine][1:].tolist() == seen[-1][0][:-1]
    expected = [
        (arrays.tokens[a:b].tolist(), int(prompt))
        for a, b, prompt in zip(
            arrays.offsets[:-1], arrays.offsets[1:], arrays.prompt_lengths, strict=True
        )
    ]
    assert sorted(seen) == sorted(expected)


def test_named_tasks_are_registered_at_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_rows(tmp_path / "train.jsonl", [{"question": "a — é?", "answer": "b\n#### 1"}])
    monkeypatch.setenv("GSM8K_DIR", str(tmp_path))
    assert list(tasks.task_examples("gsm8k_sft")) == [("a — é?", "b\n#### 1")]
    (example,) = (
        seqio.get_mixture_or_task("gsm8k_sft").get_dataset(None, "train").as_numpy_iterator()
    )
    vocabulary = seqio.get_mixture_or_task("gsm8k_sft").output_features["targets"].vocabulary
    assert vocabulary.decode(example["targets"].tolist()) == "b\n#### 1"
    examples = tasks.task_examples("wordproblems_sft", "dev")
    assert list(islice(examples, 3)) == list(islice(training_examples("wordproblems:dev"), 3))


def test_a_mixture_samples_at_its_rates_and_reproducibly(paths: str, tmp_path: Path) -> None:
    other = str(tmp_path / "other.jsonl")
    write_rows(other, [{"query": "Other?", "response": "Ann has 5."}] * 40)
    name = tasks.register_mixture("three_to_one", {paths: 3.0, other: 1.0}, TOKENIZER)
    assert name in seqio.MixtureRegistry.names()
    drawn = list(tasks.task_examples(name))
    assert len(drawn) == 100  # as many as the tasks have together
    share = sum(question == "Other?" for question, _ in drawn) / 100
    assert 0.1 < share < 0.4
    assert drawn == list(tasks.task_examples(name))
    dataset = seqio.get_dataset(
        name, {"inputs": 64, "targets": 64}, seqio.DecoderFeatureConverter(pack=True), verbose=False
    )
    assert len(next(iter(dataset))["decoder_target_tokens"]) == 128
    with pytest.raises(UserError, match="is registered already"):
        tasks.register_mixture("three_to_one", {paths: 1.0, other: 1.0}, TOKENIZER)


def test_texts_and_programs_of_one_file_are_mixed_at_their_rates(tmp_path: Path) -> None:
    path = str(tmp_path / "both.jsonl")
    rows = [{"instruction": "How?", "output": "5", "source": "data/CoT/a.json"}] * 50
    rows += [{"instruction": "How?", "output": "print(5)", "source": "data/PoT/a.json"}] * 50
    write_rows(path, rows)
    name = tasks.register_forms("one_to_three", path, {"text": 1.0, "program": 3.0}, TOKENIZER)
    drawn = list(tasks.task_examples(name))
    assert set(drawn) == {("How?", "5"), ("How? Let's write a program.", "print(5)")}
    assert 0.6 < sum(response == "print(5)" for _, response in drawn) / len(drawn) < 0.9


def test_a_mixture_of_mixtures_and_tasks_by_name(paths: str) -> None:
    inner = tasks.register_paths(paths, TOKENIZER)
    tasks.register_mixture("with_embedded", {inner: 1.0, "wordproblems_sft": 1.0}, TOKENIZER)
    first = next(iter(tasks.task_examples("with_embedded")))
    assert all(isinstance(text, str) and text for text in first)


def test_a_cached_task_has_the_same_examples(paths: str, tmp_path: Path) -> None:
    beam = pytest.importorskip("apache_beam")
    from seqio import beam_utils

    name = tasks.register_paths(paths, TOKENIZER)
    cache = tmp_path / "cache" / name
    cache.mkdir(parents=True)
    task = seqio.TaskRegistry.get(name)
    with beam.Pipeline(runner="DirectRunner") as pipeline:
        examples = pipeline | beam_utils.PreprocessTask(task, "train")
        examples | beam_utils.WriteExampleTfRecord(
            seqio.get_cached_tfrecord_prefix(str(cache), "train"), num_shards=4
        )
        info = seqio.get_cached_info_path(str(cache), "train")
        _ = examples | beam_utils.GetInfo(4) | "write info" >> beam_utils.WriteJson(info)
        stats = seqio.get_cached_stats_path(str(cache), "train")
        counts = examples | beam_utils.GetStats(task.output_features)
        _ = counts | "write stats" >> beam_utils.WriteJson(stats)
    (cache / "COMPLETED").touch()
    seqio.add_global_cache_dirs([str(tmp_path / "cache")])
    plain = task.get_dataset(None, "train", shuffle=False)
    cached = task.get_dataset(None, "train", use_cached=True, shuffle=False)

    def content(dataset) -> list:
        return sorted(
            (e["inputs"].tolist(), e["targets"].tolist()) for e in dataset.as_numpy_iterator()
        )

    assert content(cached) == content(plain)


def test_tasks_come_from_gin(paths: str) -> None:
    import gin

    config = f"""
    from __gin__ import dynamic_registration
    import seqio
    from rft_jax.data import tasks

    tasks.register_mixture:
      name = "from_gin"
      rates = {{"{paths}": 1.0}}
      tokenizer = "{TOKENIZER}"
    seqio.get_dataset:
      mixture_or_task_name = @tasks.register_mixture()
      task_feature_lengths = {{"inputs": 96, "targets": 96}}
      feature_converter = @seqio.DecoderFeatureConverter()
      seed = 3
    """
    try:
        gin.parse_config(config)
        dataset = gin.get_configurable("seqio.get_dataset")(verbose=False)
        assert next(iter(dataset))["decoder_target_tokens"].shape == (192,)
    finally:
        gin.clear_config()


def test_tasks_of_other_modules_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, paths: str
) -> None:
    (tmp_path / "my_tasks.py").write_text(
        "from rft_jax.data.tasks import register_paths\n"
        f"register_paths({paths!r}, {TOKENIZER!r}, name='from_my_module')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UserError, match=r"no such file and no seqio task; .*gsm8k_sft"):
        next(tasks.task_examples("from_my_module"))
    monkeypatch.setenv("RFT_TASK_MODULES", "my_tasks")
    assert list(tasks.task_examples("from_my_module")) == list(training_examples(paths))

    monkeypatch.setenv("RFT_TASK_MODULES", "no_such_tasks")
    with pytest.raises(UserError, match=r"\$RFT_TASK_MODULES: 'no_such_tasks' can't be imported"):
        next(tasks.task_examples("from_my_module"))


def test_a_text_with_token_zero_is_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "zero.jsonl")
    write_rows(path, [{"query": "a <pad>?", "response": "b"}])
    vocabulary = tasks.TokenizerVocabulary(TOKENIZER)
    with pytest.raises(UserError, match="contains token 0, which seqio uses for padding"):
        vocabulary.encode("a <pad>")
    with pytest.raises(UserError, match="contains token 0, which seqio uses for padding"):
        list(tasks.task_examples(tasks.register_paths(path, TOKENIZER)))


def test_a_split_or_a_file_that_is_not_there_is_one_error(paths: str, tmp_path: Path) -> None:
    """TensorFlow would wrap the latter in an error of its own."""
    name = tasks.register_task("not_there", {"train": str(tmp_path / "x.jsonl")}, TOKENIZER)
    with pytest.raises(UserError, match=r"task 'not_there' has no split 'dev', only train"):
        next(tasks.task_examples(name, "dev"))
    with pytest.raises(UserError, match=r"^\S*x\.jsonl: no such file"):
        next(tasks.task_examples(name))
    assert len(list(tasks.task_examples(tasks.register_paths(paths, TOKENIZER)))) == 60


def test_a_vocabulary_is_the_tokenizer_of_its_folder() -> None:
    vocabulary = tasks.TokenizerVocabulary(TOKENIZER)
    tokenizer = load_tokenizer(TOKENIZER)
    text = "Mia has 14 dolls."
    assert vocabulary.encode(text) == tokenizer.encode(text)
    assert vocabulary.encode_tf(text).numpy().tolist() == tokenizer.encode(text)
    assert vocabulary.decode(tokenizer.encode(text)) == text
    assert vocabulary.decode_tf(np.asarray(tokenizer.encode(text))).numpy().decode() == text
    assert vocabulary.vocab_size == tokenizer.vocab_size
    assert (vocabulary.eos_id, vocabulary.bos_id) == (tokenizer.eos_id, tokenizer.bos_id)
    assert vocabulary == tasks.TokenizerVocabulary(TOKENIZER) != tasks.TokenizerVocabulary("other")


def test_gsm8k_comes_from_a_prepared_tfds_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tfds = pytest.importorskip("tensorflow_datasets")
    from rft_jax.data.sources import load_problems

    monkeypatch.delenv("GSM8K_DIR", raising=False)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    with pytest.raises(UserError, match=r"gsm8k:test: .* is not prepared; set GSM8K_DIR"):
        load_problems("gsm8k:test")
    _prepare(tfds, tmp_path / "tfds")
    problems = load_problems("gsm8k:test")
    pairs = {(problem.question, problem.answer) for problem in problems}  # TFDS shuffles them
    assert pairs == {("a?", "#### 1"), ("b é?", "#### 2")}
    assert problems[0].id.startswith("gsm8k-test/")


def _prepare(tfds, folder: Path) -> None:
    """Writes a data set of two rows as TFDS prepares it."""
    import tensorflow as tf

    builder = tfds.builder("gsm8k", data_dir=str(folder), try_gcs=False)
    rows = tf.data.Dataset.from_tensor_slices(
        {
            "question": ["a?", "b é?"],
            "answer": ["#### 1", "#### 2"],
            "annotation": ["", ""],
            "short_answer": ["1", "2"],
        }
    )
    tfds.dataset_builders.store_as_tfds_dataset(
        name="gsm8k",
        version=str(builder.version),
        features=builder.info.features,
        split_datasets={"train": rows, "test": rows},
        data_dir=str(folder),
    )
