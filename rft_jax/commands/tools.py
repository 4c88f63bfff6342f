"""import-hf, export-hf, generate-wordproblems, derive, doctor: what stands around the loop."""

from __future__ import annotations

import argparse

from rft_jax.checkpoints.names import model_folder
from rft_jax.commands.base import Command
from rft_jax.commands.stages import MODEL_HELP, PROBLEMS_HELP
from rft_jax.gin_settings import Config


def _copy_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="SRC", help=MODEL_HELP)
    parser.add_argument("target", metavar="DST", help="new folder to write")
    parser.add_argument(
        "--dtype",
        choices=("float32", "bfloat16", "float16"),
        default="float32",
        help="of the written weights",
    )
    parser.add_argument(
        "--template", metavar="T", help="name of the prompt template to carry along"
    )


def _copy_model(flags: argparse.Namespace, config: Config) -> None:
    del config
    from rft_jax.checkpoints.load import copy_model

    copy_model(model_folder(flags.source), flags.target, flags.dtype, flags.template)


IMPORT_HF = Command(
    name="import-hf",
    summary="a Hugging Face LLaMA folder, as one of ours",
    description=(
        "Checks that the folder is a LLaMA this package computes exactly, and writes it with a "
        "prompt template, so that no later command has to name one. --model takes Hugging Face "
        "folders directly too."
    ),
    examples=("rft import-hf models/SmolLM2-135M-Instruct models/smollm2 --template chatml",),
    add_flags=_copy_flags,
    run=_copy_model,
)

EXPORT_HF = Command(
    name="export-hf",
    summary="one of our model folders, for transformers and others",
    description="Writes config.json, safetensors and tokenizer as transformers reads them.",
    examples=("rft export-hf runs/rft exported/rft --dtype bfloat16",),
    add_flags=_copy_flags,
    run=_copy_model,
)


def _generate_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--split", required=True, metavar="S", help="train, dev, test, or pretrain (its text)"
    )
    parser.add_argument("--output", required=True, metavar="FILE", help="JSONL; gzip by suffix")
    parser.add_argument("--size", type=int, metavar="N", help="rows (default 1000, 500, 2000)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the stories")
    parser.add_argument("--tokens", type=int, metavar="N", help="for pretrain: how many tokens")


def _generate(flags: argparse.Namespace, config: Config) -> None:
    del config
    from rft_jax.wordproblems.files import write_split

    rows = write_split(flags.split, flags.output, flags.size, flags.seed, flags.tokens)
    print(f"{flags.output}: {rows:,} rows")


GENERATE_WORDPROBLEMS = Command(
    name="generate-wordproblems",
    summary="the embedded data as JSONL, by split, size and seed",
    description=(
        "Writes story problems in GSM8K's format, or the text that the embedded model has read."
    ),
    examples=(
        "rft generate-wordproblems --split train --output train.jsonl --size 500",
        "rft generate-wordproblems --split pretrain --output pretrain.jsonl.gz --tokens 1000000",
    ),
    add_flags=_generate_flags,
    run=_generate,
)


def _derive_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kind", required=True, metavar="K", help="one of the above")
    parser.add_argument("--problems", default="", metavar="P", help=PROBLEMS_HELP)
    parser.add_argument("--collected", default="", metavar="DIR", help="what rft collect wrote")
    parser.add_argument(
        "--samples", action="append", default=[], metavar="S", help="what rft sample wrote"
    )
    parser.add_argument("--examples", default="", metavar="P", help="problems for few-shot prompts")
    parser.add_argument("--count", type=int, default=0, metavar="N", help="how many, see above")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of what is drawn")
    parser.add_argument("--output", required=True, metavar="DIR", help="folder to write")


def _derive(flags: argparse.Namespace, config: Config) -> None:
    del config
    from rft_jax.derive.inputs import Inputs
    from rft_jax.derive.write import write_derived

    names = ("problems", "collected", "examples", "count", "seed")
    values = {name: getattr(flags, name) for name in names}
    write_derived(flags.kind, Inputs(samples=tuple(flags.samples), **values), flags.output)


DERIVE = Command(
    name="derive",
    summary="other data from what is there: controls for RFT, few-shot prompts, revisions",
    description=(
        "Controls (paths.jsonl), with as many rows for each problem as rft collect kept "
        "(--collected): oracle (the embedded generator's own further paths; where a problem has "
        "not got as many, others fill up), most_likely (the likeliest right texts among "
        "--samples), random (right samples as drawn), human (the human path again and again).\n\n"
        "Other problems (problems.jsonl): few_shot (--count of --examples before each question), "
        "turned_round (from the worked answer to its question), chains (the first --count samples "
        "as what a question is wanted for), queried (chains with the questions drawn for them), "
        "revisions and farthest_revisions (a question with a sample, to be answered again; the "
        "first --count, or of them the farthest from the human path). one_shot_text: pretraining "
        "text of --count tokens with worked problems in pairs."
    ),
    examples=(
        "rft derive --kind oracle --problems wordproblems:train --collected runs/c --output runs/o",
        "rft derive --kind few_shot --problems gsm8k:test --examples gsm8k:train --count 8 "
        "--output runs/8-shot",
    ),
    add_flags=_derive_flags,
    run=_derive,
)


def _doctor(flags: argparse.Namespace, config: Config) -> None:
    del flags, config
    from rft_jax.commands.doctor import examine

    print(examine())


DOCTOR = Command(
    name="doctor",
    summary="versions, devices, free memory, what is missing and how to get it",
    description="Looks at this machine and says which commands can run on it.",
    examples=("rft doctor",),
    add_flags=lambda _parser: None,
    run=_doctor,
)
