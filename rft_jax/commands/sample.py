"""sample: responses of a model to problems."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from rft_jax.checkpoints.names import model_folder
from rft_jax.commands.base import Command, input_flag
from rft_jax.commands.common import MESH, MODEL_HELP, output_folder_flag, problems_flag
from rft_jax.commands.lengths import lengths
from rft_jax.errors import UserError
from rft_jax.gin_settings import Config

if TYPE_CHECKING:
    from rft_jax.sampling.budget import MakeBudget
    from rft_jax.sampling.settings import SampleSettings
    from rft_jax.sampling.shard import Shard


def _sample_flags(parser: argparse.ArgumentParser) -> None:
    input_flag(parser, "--model", "M", MODEL_HELP, required=True)
    problems_flag(parser)
    output_folder_flag(parser)
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
    make_budget = _budget(settings, shard)
    if flags.server:
        from rft_jax.sampling.served import sample_from_server

        sample_from_server(
            *(flags.server, flags.model, flags.problems, flags.output, flags.name, settings),
            *(make_budget, config.text(), shard),
        )
        return
    sample(
        model_folder(flags.model),
        flags.problems,
        flags.output,
        flags.name,
        settings,
        config["mesh"],
        make_budget,
        config.text(),
        shard,
        calculator_of(settings),
    )


def _sample_unused(flags: argparse.Namespace) -> dict[str, str]:
    return {"mesh": "with --server"} if flags.server else {}


def _budget(settings: SampleSettings, shard: Shard) -> MakeBudget | None:
    """What decides how many samples a problem gets; None for the same number for all.

    Raises:
      UserError: it needs the samples of all problems, and there are other shards.
    """
    from rft_jax.rft.budgets import Proportional, Uniform, check_answers

    kind, size, most = settings.budget_kind, settings.round_size, settings.num_samples
    if kind == "fixed":
        return None
    check_answers(settings.answers)
    if kind == "uniform":
        return lambda problems, *_: Uniform(
            problems, settings.enough, size, most, answers=settings.answers
        )
    if shard.count > 1:
        raise UserError(
            f"--shard {shard.index}/{shard.count}: sample.budget = {settings.budget!r} divides "
            "samples among all problems, and a shard knows its own alone; sample without --shard "
            "(launch/gpus.sh --together), or set sample.budget = 'uniform'"
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
    settings={"sample": "rft_jax.sampling.settings:SampleSettings", **MESH},
    unused=_sample_unused,
    defaults=lengths("sample.max_new_tokens"),
    next=(
        "rft collect --problems {problems} --samples {output} --output COLLECTED",
        "rft evaluate --problems {problems} --samples {output} --output EVALUATION",
    ),
)
