"""train, sample, collect, evaluate, report: the stages of the loop, each on its own."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

from rft_jax.arithmetic.splits import PROBLEM_SPLITS as ARITHMETIC_SPLITS
from rft_jax.checkpoints.names import model_folder
from rft_jax.commands.advice import after_collect, after_evaluate
from rft_jax.commands.base import (
    Command,
    columns_flag,
    input_flag,
    output_flag,
    rows_flag,
    samples_format_flag,
)
from rft_jax.commands.lengths import lengths
from rft_jax.errors import UserError
from rft_jax.gin_settings import Config
from rft_jax.wordproblems.splits import PROBLEM_SPLITS

if TYPE_CHECKING:
    from rft_jax.evaluation.held_out import HeldOutAccuracy
    from rft_jax.sampling.budget import MakeBudget
    from rft_jax.sampling.settings import SampleSettings

MODEL_HELP = (
    "a Hugging Face folder (LLaMA, Mistral, Qwen2/2.5/3, OLMo 2, Granite 3) or a name on the Hub, "
    "a folder that rft train wrote, a URL of a folder, or wordproblems:model, wordproblems:mixed "
    "or wordproblems:large (the small pretrained models of this package)"
)
PROBLEMS_HELP = (
    "a JSONL or Parquet file (or its URL), or gsm8k:train|test, "
    f"wordproblems:{'|'.join(PROBLEM_SPLITS)}, arithmetic:{'|'.join(ARITHMETIC_SPLITS)}"
)
OUTPUT_HELP = "folder (or URL) to write; run the same command again to resume"
INIT = "init:"
REPORT_PORT = 8000
SHAPED = "with a model that has its shape in config.json"
"""Why `llama` settings have no effect."""
_MESH = {"mesh": "rft_jax.devices.mesh_settings:MeshSettings"}


def _output_flag(parser: argparse.ArgumentParser) -> None:
    output_flag(parser, "--output", "DIR", OUTPUT_HELP, required=True)


def _problems_flag(parser: argparse.ArgumentParser) -> None:
    rows_flag(parser, "--problems", "P", PROBLEMS_HELP, required=True)
    columns_flag(parser)


def _train_flags(parser: argparse.ArgumentParser) -> None:
    model_help = f"{MODEL_HELP}; or init:CONFIG for random weights, CONFIG as in configs/models"
    input_flag(parser, "--model", "M", model_help, required=True)
    data_help = "a problems or paths file, a seqio task, or a folder of token arrays; repeatable"
    rows_flag(parser, "--data", "D", data_help, required=True, action="append")
    columns_flag(parser)
    _output_flag(parser)


def _train(flags: argparse.Namespace, config: Config) -> None:
    from rft_jax.training.trainer import train

    fresh = flags.model.startswith(INIT)
    train(
        config["llama"] if fresh else model_folder(flags.model),
        flags.data,
        flags.output,
        config["train"],
        config["mesh"],
        config.text(),
        _accuracy(config),
    )


def _accuracy(config: Config) -> HeldOutAccuracy | None:
    """How accuracy is measured during training, if it is.

    Raises:
      UserError: it isn't, and settings of it are set.
    """
    from rft_jax.evaluation.held_out import HeldOutAccuracy
    from rft_jax.evaluation.settings import EvaluateSettings

    settings, plain = config["evaluate"], EvaluateSettings()
    if config["train"].eval_problems:
        return HeldOutAccuracy(settings)
    for name, value in asdict(settings).items():
        if value != getattr(plain, name):
            raise UserError(f"evaluate.{name} has no effect without train.eval_problems; set both")
    return None


def _train_unused(flags: argparse.Namespace) -> dict[str, str]:
    return {} if flags.model.startswith(INIT) else {"llama": SHAPED}


def _train_gin_files(flags: argparse.Namespace) -> list[str]:
    if not flags.model.startswith(INIT):
        return flags.gin_file
    return [f"models/{flags.model.removeprefix(INIT)}", *flags.gin_file]


def _train_defaults(flags: argparse.Namespace, config: Config) -> list[str]:
    measured = ("evaluate.max_new_tokens",) if config["train"].eval_problems else ()
    return lengths("train.max_length", *measured)(flags, config)


TRAIN = Command(
    name="train",
    summary="fine-tune (or pretrain) a model",
    description=(
        "Trains on questions and their reasoning paths; the loss counts the response alone. The "
        "output is a model folder in Hugging Face's layout (with tokenizer and prompt template) "
        "that --model takes, with its checkpoints and metrics.jsonl."
    ),
    examples=(
        "rft train --model models/7b --data gsm8k:train --output runs/sft --gin_file runs/sft.gin",
        "rft train --model wordproblems:model --data runs/collected/paths.jsonl --output runs/rft",
        "rft train --model init:wordproblems --data pretrain.jsonl.gz --output runs/pretrained "
        "--gin_file runs/pretrain_wordproblems.gin",
    ),
    add_flags=_train_flags,
    run=_train,
    settings={
        "train": "rft_jax.training.settings:TrainSettings",
        "evaluate": "rft_jax.evaluation.settings:EvaluateSettings",
        "llama": "rft_jax.models.config:LlamaConfig",
        **_MESH,
    },
    rare=("llama", "evaluate"),
    unused=_train_unused,
    gin_files=_train_gin_files,
    defaults=_train_defaults,
    next=(
        "rft sample --model {output} --problems P --output SAMPLES",
        "rft evaluate --model {output} --problems P --output EVALUATION",
        "rft export-hf {output} EXPORTED --dtype bfloat16",
    ),
)


def _sample_flags(parser: argparse.ArgumentParser) -> None:
    input_flag(parser, "--model", "M", MODEL_HELP, required=True)
    _problems_flag(parser)
    _output_flag(parser)
    parser.add_argument(
        "--server",
        metavar="URL",
        help="sample from an OpenAI-compatible server (vLLM, SGLang), where M is a model's name; a "
        "key is read from OPENAI_API_KEY",
    )
    parser.add_argument(
        "--name",
        metavar="N",
        help="the samples' `model` field (default: the model folder's name)",
    )
    parser.add_argument(
        "--shard",
        default="0/1",
        metavar="I/N",
        help="sample every N-th problem from the I-th on, I from 0 to N - 1; N such commands fill "
        "one folder, whichever machines they run on (default: all problems)",
    )


def _sample(flags: argparse.Namespace, config: Config) -> None:
    from rft_jax.evaluation.calculator import calculator_of
    from rft_jax.sampling import sample
    from rft_jax.sampling.shard import Shard

    settings, shard = config["sample"], Shard.parse(flags.shard)
    if flags.server:
        from rft_jax.sampling.served import sample_from_server

        sample_from_server(
            *(flags.server, flags.model, flags.problems, flags.output, flags.name, settings),
            *(_budget(settings), config.text(), shard),
        )
        return
    sample(
        model_folder(flags.model),
        flags.problems,
        flags.output,
        flags.name,
        settings,
        config["mesh"],
        _budget(settings),
        config.text(),
        shard,
        calculator_of(settings),
    )


def _sample_unused(flags: argparse.Namespace) -> dict[str, str]:
    return {"mesh": "with --server"} if flags.server else {}


def _budget(settings: SampleSettings) -> MakeBudget | None:
    """What decides how many samples a problem gets; None for the same number for all."""
    from rft_jax.rft.budgets import Proportional, Uniform
    from rft_jax.verify.answers import answer_formats

    kind, size, most = settings.budget_kind, settings.round_size, settings.num_samples
    if kind == "fixed":
        return None
    if settings.answers not in answer_formats():
        raise UserError(
            f"sample.answers = {settings.answers!r}; there are {', '.join(answer_formats())}"
        )
    if kind == "uniform":
        return lambda problems, *_: Uniform(
            problems, settings.enough, size, most, answers=settings.answers
        )
    return lambda problems, own, total: Proportional(
        problems, own, total, size, settings.average, most, answers=settings.answers
    )


SAMPLE = Command(
    name="sample",
    summary="sample k responses for every problem",
    description=(
        "Each sample depends on the seed, the problem's id, the sample's index and the position "
        "alone: not on the batch, the number of hosts or an interruption. Writes samples-*.jsonl, "
        "a shard per host. Samples of a --server lack that guarantee, tokens and log-probabilities."
    ),
    examples=(
        "rft sample --model runs/sft --problems gsm8k:train --output runs/samples "
        "--gin.sample.num_samples=16",
        "rft sample --model runs/sft --problems mine.jsonl --output runs/greedy "
        "--gin.sample.temperature=0 --gin.sample.num_samples=1",
        "rft sample --server http://localhost:8000 --model Qwen/Qwen2.5-Math-7B-Instruct "
        "--problems mine.jsonl --output runs/served",
    ),
    add_flags=_sample_flags,
    run=_sample,
    settings={"sample": "rft_jax.sampling.settings:SampleSettings", **_MESH},
    unused=_sample_unused,
    defaults=lengths("sample.max_new_tokens"),
    next=(
        "rft collect --problems {problems} --samples {output} --output COLLECTED",
        "rft evaluate --problems {problems} --samples {output} --output EVALUATION",
    ),
)


def _collect_flags(parser: argparse.ArgumentParser) -> None:
    _problems_flag(parser)
    text = (
        "a folder that rft sample wrote, or a samples file, also of another program; repeatable: "
        "models are merged (without: only the reference solutions are graded)"
    )
    rows_flag(parser, "--samples", "S", text, default=[], action="append")
    samples_format_flag(parser)
    _output_flag(parser)


def _collect(flags: argparse.Namespace, config: Config) -> None:
    from rft_jax.rft.collect import collect

    text, form = config.text(), flags.samples_format
    collect(flags.problems, flags.samples, flags.output, config["collect"], text, form)


COLLECT = Command(
    name="collect",
    summary="verify samples, keep the distinct correct ones",
    description=(
        "A sample is kept when its answer and all of its calculator annotations are correct and "
        "no kept sample has the same equations. Writes paths.jsonl (the training data of RFT), "
        "ledger.jsonl (each sample's verdict, and why) and stats.json. Reference solutions are "
        "graded as well, and stats.json lists those that would fail. Needs neither JAX nor "
        "TensorFlow."
    ),
    examples=(
        "rft collect --problems gsm8k:train --samples runs/samples --output runs/collected",
        "rft collect --problems gsm8k:train --samples runs/s7b --samples runs/s13b "
        "--output runs/union",
        "rft collect --problems mine.parquet --samples vllm-output.jsonl --output runs/of-parquet "
        "--columns question=text,answer=meta.target",
    ),
    add_flags=_collect_flags,
    run=_collect,
    settings={"collect": "rft_jax.rft.settings:CollectSettings"},
    next=(
        "rft train --model PRETRAINED --data {output}/paths.jsonl --output RFT",
        "rft report {output} --output REPORT",
    ),
    instead=after_collect,
)


def _evaluate_flags(parser: argparse.ArgumentParser) -> None:
    _problems_flag(parser)
    source = parser.add_mutually_exclusive_group(required=True)
    input_flag(source, "--model", "M", MODEL_HELP)
    text = "existing samples to score instead; repeatable: they vote together"
    rows_flag(source, "--samples", "S", text, action="append")
    samples_format_flag(parser)
    text = "with --samples and evaluate.answers = 'hybrid': texts of the programs without an answer"
    input_flag(parser, "--fallback", "S", text)
    text = "output of another rft evaluate on the same problems: a paired test of the two"
    input_flag(parser, "--against", "DIR", text)
    _output_flag(parser)


def _evaluate(flags: argparse.Namespace, config: Config) -> None:
    from rft_jax.evaluation.evaluate import evaluate

    evaluate(
        flags.problems,
        flags.output,
        config["evaluate"],
        model=flags.model and model_folder(flags.model),
        samples=flags.samples,
        against=flags.against,
        mesh=None if flags.samples else config["mesh"],
        config_text=config.text(),
        fallback=flags.fallback,
        samples_format=flags.samples_format,
    )


def _evaluate_unused(flags: argparse.Namespace) -> dict[str, str]:
    return {"mesh": "with --samples"} if flags.samples else {}


EVALUATE = Command(
    name="evaluate",
    summary="accuracy, maj@k and pass@k with intervals",
    description=(
        "Greedy accuracy of a model, or mean@1, maj@k and pass@k of several samples per problem. "
        "Writes metrics.json (with 95 % intervals) and predictions.jsonl (a row per problem)."
    ),
    examples=(
        "rft evaluate --model runs/rft --problems gsm8k:test --output runs/rft-eval "
        "--against runs/sft-eval",
        "rft evaluate --samples runs/samples --problems gsm8k:train --output runs/scored",
        "rft evaluate --samples runs/texts --samples runs/programs --problems gsm8k:train "
        "--output runs/votes",
    ),
    add_flags=_evaluate_flags,
    run=_evaluate,
    settings={"evaluate": "rft_jax.evaluation.settings:EvaluateSettings", **_MESH},
    unused=_evaluate_unused,
    defaults=lengths("evaluate.max_new_tokens"),
    next=(
        "rft evaluate --model ANOTHER --problems {problems} --output DIR --against {output}",
        "rft report {output} --output REPORT",
    ),
    instead=after_evaluate,
)


def _report_flags(parser: argparse.ArgumentParser) -> None:
    input_flag(parser, "inputs", "DIR", "outputs of rft run or of single stages", nargs="+")
    output_flag(parser, "--output", "DIR", "folder to write", required=True)
    text = "serve the page on localhost and keep it up to date, until Ctrl-C"
    parser.add_argument("--serve", action="store_true", help=text)
    text = f"port of --serve (default: {REPORT_PORT}; 0: any that is free)"
    parser.add_argument("--port", type=int, metavar="N", help=text)


def _report(flags: argparse.Namespace, config: Config) -> None:
    from rft_jax.report.report import report
    from rft_jax.report.serve import serve

    if flags.port is not None and not flags.serve:
        raise UserError("--port is for --serve; add --serve or leave it out")
    make = partial(report, flags.inputs, flags.output, config["report"], config.text())
    if flags.serve:
        serve(flags.inputs, make, REPORT_PORT if flags.port is None else flags.port)
    else:
        make()


REPORT = Command(
    name="report",
    summary="tables, plots and one HTML page from the folders of runs",
    description=(
        "Writes a self-contained index.html, its tables and a plot, from files alone. With --serve "
        "the page follows runs that are not finished: it is written again when a stage finishes, "
        "and reloads itself in the browser."
    ),
    examples=(
        "rft report runs/quickstart --output runs/quickstart-report",
        "rft report runs/quickstart --output runs/live --serve",
    ),
    add_flags=_report_flags,
    run=_report,
    settings={"report": "rft_jax.report.report:ReportSettings"},
    next=("open {output}/index.html",),
)
