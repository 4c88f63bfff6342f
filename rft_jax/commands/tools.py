"""import-hf, export-hf, generators, derive, doctor: the tools around the loop."""

from __future__ import annotations

import argparse

from rft_jax.arithmetic import splits as arithmetic
from rft_jax.checkpoints.names import model_folder
from rft_jax.commands.advice import after_generating
from rft_jax.commands.base import Command, input_flag, output_flag
from rft_jax.commands.common import MODEL_HELP, PROBLEMS_HELP
from rft_jax.gin_settings import Config
from rft_jax.progress import quantity
from rft_jax.records.fields import FORMS
from rft_jax.wordproblems.splits import PROBLEM_SPLITS, SPLITS

ARITHMETIC_FORMS = ("steps", "direct", "reversed", "scratchpad")


def _copy_flags(parser: argparse.ArgumentParser) -> None:
    input_flag(parser, "source", "SRC", MODEL_HELP)
    output_flag(parser, "target", "DST", "new folder to write")
    parser.add_argument(
        "--dtype",
        choices=("float32", "bfloat16", "float16"),
        help="data type of the written weights (default: that of the source, of a training the one "
        "it was trained in)",
    )
    parser.add_argument(
        "--template", metavar="T", help="name of the prompt template to store in the folder"
    )
    parser.add_argument(
        "--system_prompt",
        type=str,  # which may be empty
        metavar="TEXT",
        default="",
        help="system message, put into every prompt by the model's chat template",
    )


def _import_flags(parser: argparse.ArgumentParser) -> None:
    _copy_flags(parser)
    text = "folder of a PEFT adapter (LoRA), merged into the copy"
    input_flag(parser, "--adapter", "DIR", text, default="")


def _copy_model(flags: argparse.Namespace, config: Config) -> None:
    del config
    from rft_jax.checkpoints.load import copy_model

    copy_model(
        model_folder(flags.source),
        *(flags.target, flags.dtype, flags.template, flags.system_prompt),
        adapter=getattr(flags, "adapter", ""),
    )


def _export_flags(parser: argparse.ArgumentParser) -> None:
    _copy_flags(parser)
    text = "output of rft evaluate about this model, for the results in its card; repeatable"
    input_flag(parser, "--results", "DIR", text, action="append", default=[])


def _export_model(flags: argparse.Namespace, config: Config) -> None:
    from rft_jax.report.cards import write_model_card

    _copy_model(flags, config)
    write_model_card(flags.target, model_folder(flags.source), flags.results)


IMPORT_HF = Command(
    name="import-hf",
    summary="write a copy of a Hugging Face model, with a prompt template or a merged adapter",
    description=(
        "Checks that this package computes the folder's model exactly, and writes the model with "
        "a prompt template, so that no later command has to name one. --model also takes Hugging "
        "Face folders directly."
    ),
    examples=(
        "rft import-hf models/SmolLM2-135M-Instruct models/smollm2 --template chat "
        "--system_prompt 'Reason step by step.'",
        "rft import-hf models/7b models/7b-math --adapter runs/lora/adapter",
    ),
    add_flags=_import_flags,
    run=_copy_model,
    next=(
        "rft evaluate --model {target} --problems P --output EVALUATION",
        "rft train --model {target} --data D --output SFT",
    ),
)

EXPORT_HF = Command(
    name="export-hf",
    summary="export a trained model for transformers and other programs",
    description=(
        "Writes config.json, safetensors and tokenizer as transformers reads them, and a model "
        "card (README.md): base model, data, settings, prompt, and the results of --results."
    ),
    examples=("rft export-hf runs/rft exported/rft --dtype bfloat16 --results runs/rft-eval",),
    add_flags=_export_flags,
    run=_export_model,
    next=("vllm serve {target}",),
)


def _generate_flags(parser: argparse.ArgumentParser) -> None:
    names = ", ".join((*PROBLEM_SPLITS, "or pretrain, pretrain-mixed (text to pretrain on)"))
    parser.add_argument("--split", required=True, metavar="S", help=names)
    text = "JSONL file to write; one that ends in .gz is compressed"
    output_flag(parser, "--output", "FILE", text, required=True)
    sizes = ", ".join(f"{name} {SPLITS[name].size}" for name in PROBLEM_SPLITS)
    text = f"number of rows (default: {sizes})"
    parser.add_argument("--size", type=int, metavar="N", help=text)
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the generator")
    text = "number of tokens of the text to pretrain on"
    parser.add_argument("--tokens", type=int, metavar="N", help=text)
    text = "form of the solutions of problems: text (the default) or program"
    parser.add_argument("--form", default="text", choices=FORMS, metavar="F", help=text)


def _generate(flags: argparse.Namespace, config: Config) -> None:
    del config
    from rft_jax.wordproblems.files import write_split

    rows = write_split(flags.split, flags.output, flags.size, flags.seed, flags.tokens, flags.form)
    print(f"{flags.output}: {quantity(rows, 'row')}")


GENERATE_WORDPROBLEMS = Command(
    name="generate-wordproblems",
    summary="the embedded data as JSONL, by split, size and seed",
    description=(
        "Writes word problems in GSM8K's format, or the embedded model's pretraining text."
    ),
    examples=(
        "rft generate-wordproblems --split train --output train.jsonl --size 500",
        "rft generate-wordproblems --split test-large --form program --output programs.jsonl",
        "rft generate-wordproblems --split pretrain --output pretrain.jsonl.gz --tokens 1000000",
    ),
    add_flags=_generate_flags,
    run=_generate,
    next=("rft sample --model M --problems {output} --output SAMPLES",),
    instead=after_generating,
)


def _arithmetic_flags(parser: argparse.ArgumentParser) -> None:
    names = ", ".join((*arithmetic.PROBLEM_SPLITS, "or pretrain (lines to pretrain on)"))
    parser.add_argument("--split", required=True, metavar="S", help=names)
    text = "JSONL file to write; one that ends in .gz is compressed"
    output_flag(parser, "--output", "FILE", text, required=True)
    splits = {name: arithmetic.SPLITS[name] for name in arithmetic.PROBLEM_SPLITS}
    sizes = ", ".join(f"{name} {split.size}" for name, split in splits.items())
    parser.add_argument("--size", type=int, metavar="N", help=f"number of rows (default: {sizes})")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the generator")
    text = "number of tokens of the lines to pretrain on"
    parser.add_argument("--tokens", type=int, metavar="N", help=text)
    text = "what follows the expression: steps (the default), direct, reversed or scratchpad"
    parser.add_argument("--form", default="steps", choices=ARITHMETIC_FORMS, metavar="F", help=text)


def _generate_arithmetic(flags: argparse.Namespace, config: Config) -> None:
    from rft_jax.arithmetic.files import write_split
    from rft_jax.arithmetic.settings import ArithmeticSettings

    bounds = flags.size, flags.seed, flags.tokens
    settings = config.get(ArithmeticSettings)
    rows = write_split(flags.split, flags.output, *bounds, flags.form, settings)
    print(f"{flags.output}: {quantity(rows, 'row')}")


GENERATE_ARITHMETIC = Command(
    name="generate-arithmetic",
    summary="expressions with their steps as JSONL, by split, size and seed",
    description=(
        "Writes problems whose question is an expression that ends in `=`, such as `12+3*4=`, "
        "and whose answer has the steps: `12+12=24`. Values are exact: decimals that end, else "
        "fractions in brackets; the answer is rounded to two decimals, halves away from zero. No "
        "expression of test or dev is in train or pretrain, for any seeds and sizes. The splits "
        "test-digits, test-operations and test-brackets have more than any other line has."
    ),
    examples=(
        "rft generate-arithmetic --split train --output train.jsonl --size 100000",
        "rft generate-arithmetic --split pretrain --output pretrain.jsonl.gz --tokens 5000000",
        "rft generate-arithmetic --split test --form direct --output test.jsonl "
        "--gin.arithmetic.digits='(1,1)' --gin.arithmetic.mixed=0",
    ),
    add_flags=_arithmetic_flags,
    run=_generate_arithmetic,
    settings={"arithmetic": "rft_jax.arithmetic.settings:ArithmeticSettings"},
    next=("rft sample --model M --problems {output} --output SAMPLES",),
    instead=after_generating,
)


def _derive_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kind", required=True, metavar="K", help="one of the kinds above")
    input_flag(parser, "--problems", "P", PROBLEMS_HELP, default="")
    input_flag(parser, "--collected", "DIR", "output of rft collect", default="")
    text = "output of rft sample; repeatable"
    input_flag(parser, "--samples", "S", text, action="append", default=[])
    input_flag(parser, "--examples", "P", "problems to take few-shot examples from", default="")
    text = "number of items, by kind (see above)"
    parser.add_argument("--count", type=int, default=0, metavar="N", help=text)
    text = "seed of random choices; no effect with kinds that make none"
    parser.add_argument("--seed", type=int, default=0, metavar="N", help=text)
    text = "form of arithmetic, as rft generate-arithmetic has it (default: steps)"
    parser.add_argument("--form", default="steps", choices=ARITHMETIC_FORMS, metavar="F", help=text)
    output_flag(parser, "--output", "DIR", "folder to write", required=True)


def _derive(flags: argparse.Namespace, config: Config) -> None:
    from rft_jax.arithmetic.settings import ArithmeticSettings
    from rft_jax.derive.inputs import Inputs
    from rft_jax.derive.write import write_derived

    samples = tuple(flags.samples)
    settings = ArithmeticSettings() if _derive_unused(flags) else config.get(ArithmeticSettings)
    inputs = Inputs(
        *(flags.problems, flags.collected, samples, flags.examples, flags.count, flags.seed),
        *(flags.form, settings),
    )
    write_derived(flags.kind, inputs, flags.output, config.text())


def _derive_unused(flags: argparse.Namespace) -> dict[str, str]:
    from rft_jax.derive.write import ARITHMETIC

    return {} if flags.kind == ARITHMETIC else {"arithmetic": f"with --kind {flags.kind}"}


DERIVE = Command(
    name="derive",
    summary="build derived data sets (controls, few-shot prompts, self-revision)",
    description=(
        "Controls (paths.jsonl) with as many rows for each problem as rft collect kept "
        "(--collected):\n"
        "oracle: further paths from the embedded generator; where a problem has fewer, others "
        "have more\n"
        "most_likely: the most likely distinct correct texts among --samples\n"
        "random: correct samples as they were sampled\n"
        "human: the reference solution repeated\n\n"
        "Controls with as many rows in total, chosen at random among --samples:\n"
        "unverified: any sample\n"
        "answer_checked: those with a correct answer, whatever their equations\n"
        "majority: those with the answer that most of a problem's samples have, whatever the "
        "reference\n"
        "incorrect: those that are not correct\n\n"
        "Problems (problems.jsonl):\n"
        "few_shot: --count of --examples before each question\n"
        "turned_round: the question, given the reference solution\n"
        "chains: prompts that ask for a question matching a sampled solution (the first --count "
        "samples)\n"
        "queried: those solutions with the generated questions\n"
        "revisions: a question with a sample, to be answered again (the first --count samples)\n"
        "farthest_revisions: the same for the one of those samples that differs most from the "
        "reference solution\n"
        "steps: the same questions, the calculations of the reference solutions expanded step by "
        "step\n\n"
        "Text to pretrain on, of --count tokens:\n"
        "one_shot_text: with worked problems in pairs\n"
        "arithmetic: lines of arithmetic in --form\n"
        "words: worked and unsolved problems on ordinary and large numbers, whose calculations "
        "have --form direct or steps\n"
        "words_and_arithmetic: the same with equations instead of half of the worked problems"
    ),
    examples=(
        "rft derive --kind oracle --problems wordproblems:dev --collected runs/collected "
        "--output runs/o",
        "rft derive --kind few_shot --problems gsm8k:test --examples gsm8k:train --count 8 "
        "--output runs/8-shot",
    ),
    add_flags=_derive_flags,
    run=_derive,
    unused=_derive_unused,
    settings={"arithmetic": "rft_jax.arithmetic.settings:ArithmeticSettings"},
)


def _doctor(flags: argparse.Namespace, config: Config) -> None:
    del flags, config
    from rft_jax.commands.doctor import examine

    print(examine())


DOCTOR = Command(
    name="doctor",
    summary="versions, devices, free memory, missing packages and how to install them",
    description="Examines this machine and says which commands can run on it.",
    examples=("rft doctor",),
    add_flags=lambda _parser: None,
    run=_doctor,
)
