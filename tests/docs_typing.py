"""Runs the commands of a page: `python -m tests.docs_typing PAGE STOCK`, in an empty folder.

A page's Python is run too, where it stands between the commands. With a command's name in the place
of PAGE, the examples of its `--help` are run.

The folder gets models and data under the names that the pages use, and outputs of other pages (such
as `runs/sft`), from STOCK, which `python -m tests.docs_typing STOCK` makes. All `rft` commands but
`rft run` run in this process, which saves most of their time.
"""

from __future__ import annotations

import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from rft_jax import cli
from rft_jax.data.sources import load_problems
from rft_jax.files.jsonl import read_rows, write_rows
from rft_jax.files.parquet import write_parquet
from rft_jax.records import to_row
from rft_jax.wordproblems.files import write_split
from rft_jax.wordproblems.generator import generate_problems
from tests.docs_pages import HOURS, LINES, PAGES, ROOT, Block, Line, blocks
from tests.tiny_model import write_tiny_model

# Programs that are not run, and why.
NOT_RUN = {
    "git": "clones",
    "export": "sets a variable of the shell",
    ".": "changes the shell's path",
    "pip": "installs",
    "python3": "makes an environment",
    "make": "installs, then does what other tests do",
    "tools/try_install": "installs",
    "~/lm-eval/bin/pip": "installs",
    "~/lm-eval/bin/lm_eval": "has an environment of its own",
    "launch/smollm2_from_gguf.py": "fetches a package of 93 MB",
    "tensorboard": "serves until it is stopped; tests of training read what it reads",
}
# Settings that make a command take seconds; a page's own settings come after them and win.
SMALL = {
    "train": ["train.num_steps=1", "train.batch_size=2", "train.dtype=float32"],
    "sample": ["sample.num_samples=2", "sample.max_new_tokens=8", "sample.slots=16"],
    "evaluate": ["evaluate.max_new_tokens=8", "evaluate.slots=16"],
    "policy": ["policy.num_steps=1", "policy.problems_per_step=2", "policy.samples_per_problem=2"],
    "plan": ["plan.compile=False"],
    "run": ["run.limit=4", "train.num_steps=1", "train.batch_size=2", "train.dtype=float32"],
}
SMALL["policy"] += ["policy.held_out=4", "train.batch_size=2", *SMALL["sample"][1:]]
SMALL["run"] += ["sample.max_new_tokens=8", "evaluate.max_new_tokens=8", "run.arms=['sft', 'rft']"]
MATH_INSTRUCT = "MathInstruct.json"
MODELS = (
    "mine",
    "7b",
    "13b",
    "llama",
    "Llama-3.2-1B",
    "smollm2-135m",
    "SmolLM2-135M",
    "SmolLM2-135M-Instruct",
)
RUNS = ("quickstart", "experiments/supervised_scaling", "experiments/rft_k")
FOLDERS = {"MODEL": "models/mine", "Qwen/Qwen2.5-1.5B": "models/mine"}  # in the place of others
SHARED = ("data", "benchmarks", "launch", "tools", "mine.jsonl", "math.jsonl", MATH_INSTRUCT)
SHARED += ("mine.parquet", "vllm-output.jsonl", "results", "pretrain.jsonl.gz")
CHAT_TEMPLATE = "{% for message in messages %}{{ message['content'] + '\\n' }}{% endfor %}"
MY_TASKS = """from rft_jax.data.tasks import register_paths
register_paths("runs/collected/paths.jsonl", "models/llama", name="from_my_module")
"""


def make_stock() -> None:
    """Models and data, and in `runs/` the outputs that pages use from each other."""
    for name in MODELS:
        write_tiny_model(Path("models", name))
    Path("models", MODELS[-1], "chat_template.jinja").write_text(CHAT_TEMPLATE)
    for name in ("data/train", "data/test", "mine", "math"):
        write_split("dev", f"{name}.jsonl", 20)
    pairs = {"CoT": "It is 5. The answer is 5.", "PoT": "print(2 + 3)"}
    rows = [
        {"source": f"data/{form}/x.json", "instruction": f"What is {i} + 3?", "output": output}
        for i, (form, output) in enumerate(pairs.items())
    ]
    Path(MATH_INSTRUCT).write_text(json.dumps(rows))
    _write_foreign()
    for name in ("benchmarks", "launch", "tools"):
        Path(name).symlink_to(ROOT / name)
    problems = ("--problems", "gsm8k:train")
    _rft("train", "--model", "models/mine", "--data", "gsm8k:train", "--output", "runs/sft")
    for name in ("samples", "s7b", "s13b", "my-samples", "texts", "programs"):
        output = ("--output", f"runs/{name}", "--name", name)
        votes = ("--gin.sample.num_samples=8",) if name in ("texts", "programs") else ()
        _rft("sample", "--model", "runs/sft", *problems, *output, *votes)
    _correct_first(Path("runs/samples"))
    _rft("collect", *problems, "--samples", "runs/samples", "--output", "runs/collected")
    _rft("run", "--output", "runs/quickstart")
    for name in RUNS[1:]:
        shutil.copytree(Path("runs", RUNS[0]), Path("runs", name))
    for name in ("rft", "hybrid"):
        shutil.copytree("runs/sft", f"runs/{name}")
    evaluated = ("--model", "runs/sft", "--problems", "gsm8k:test", "--output")
    for name in ("sft-eval", "rft-eval"):
        _rft("evaluate", *evaluated, f"runs/{name}")
    lora = ("--gin.train.lora_rank=2", "--output", "runs/lora")
    _rft("train", "--model", "models/7b", "--data", "gsm8k:train", *lora)
    write_split("pretrain", "pretrain.jsonl.gz", tokens=20_000)


def _write_foreign() -> None:
    """`mine.jsonl` with other columns, and samples of it and of `gsm8k:test` by other programs."""
    problems = [row for _, row in read_rows("mine.jsonl")]
    renamed = [{"text": row["question"], "meta": {"target": row["answer"]}} for row in problems]
    write_parquet("mine.parquet", renamed)
    answered = [{"prompt": row["question"], "outputs": [row["answer"]]} for row in problems]
    write_rows("vllm-output.jsonl", answered)
    Path("results/my__model").mkdir(parents=True)
    logged = [{"doc": row, "resps": [[row["answer"]]]} for _, row in read_rows("data/test.jsonl")]
    write_rows("results/my__model/samples_gsm8k_2026-01-01.jsonl", logged)
    logged = [
        {"doc_id": index, "doc": to_row(problem), "resps": [[problem.answer]]}
        for index, problem in enumerate(generate_problems("test", 100))
    ]
    Path("results/exported__small").mkdir()
    write_rows("results/exported__small/samples_rft_problems_DATE.jsonl", logged)


def _correct_first(samples: Path) -> None:
    """Gives the first sample its problem's reference solution: a random model is never correct."""
    (file,) = samples.glob("samples-*.jsonl")
    rows = [row for _, row in read_rows(file)]
    answers = {problem.id: problem.answer for problem in load_problems("gsm8k:train")}
    rows[0]["response"] = answers[rows[0]["id"]]
    write_rows(file, rows)


def type_page(page: Path, stock: Path) -> None:
    """Runs the page's commands and Python in order."""
    _link(stock)
    _write_modules(page)
    steps: list[tuple[int, Line | Block]] = [
        (line.number, line) for line in LINES if line.block.page == page
    ]
    steps += [(b.number, b) for b in blocks(page) if b.language == "python" and not _is_module(b)]
    for _, step in sorted(steps, key=lambda pair: pair[0]):
        if isinstance(step, Block):
            print(f"{page.name}:{step.number}: Python", flush=True)
            code = "\n".join(step.rows)
            _bring(re.findall('"(.+?)"', code), stock)
            Path("block.py").write_text(code)
            runpy.run_path("block.py")
            continue
        is_whole = "…" not in step.words and not NOT_RUN.keys() & {*step.words}
        if step.block.mark in ("", HOURS) and is_whole:
            print(f"{step}: {' '.join(step.words)}", flush=True)
            _type(step, stock)


def type_examples(command: str, stock: Path) -> None:
    """Runs the examples of a command's help."""
    _link(stock)
    _write_modules(ROOT / "docs" / "policy.md")
    examples = cli.COMMANDS[command].examples
    for example in examples:
        _, *words = shlex.split(example)
        if "--server" in words:  # tests/sampling/served_test.py has one
            continue
        print(example, flush=True)
        _bring(words, stock)
        _rft(*words, *(["--dry_run"] if command == "run" and "--dry_run" not in words else []))


def _link(stock: Path) -> None:
    Path("models").mkdir()
    for name in (*SHARED, *(f"models/{model}" for model in MODELS)):
        Path(name).symlink_to(stock / name)
    Path("my_tasks.py").write_text(MY_TASKS)


def _is_module(block: Block) -> bool:
    return bool(re.fullmatch(r"# \w+\.py", block.rows[0]))


def _write_modules(page: Path) -> None:
    """Writes the gin files and modules of a page, whose first line is their name."""
    for block in blocks(page):
        if block.language == "gin" or (block.language == "python" and _is_module(block)):
            Path(block.rows[0].removeprefix("# ")).write_text("\n".join(block.rows))


def _type(line: Line, stock: Path) -> None:
    program, *words = [FOLDERS.get(word, word) for word in line.words]
    _bring(words, stock)
    if line.block.mark == HOURS:
        words.append("--dry_run")
    if program == "rft" and not line.variables:
        _rft(*words)
    else:
        start = [sys.executable, *(["-m", "rft_jax.cli"] if program == "rft" else [])]
        started = [*(start if program in ("rft", "python") else [program]), *words]
        subprocess.run(started, env=os.environ | dict(line.variables), check=True)


def _bring(words: Sequence[str], stock: Path) -> None:
    """Copies missing inputs of a command from the stock; removes its earlier outputs."""
    made = {words[i + 1] for i, word in enumerate(words[:-1]) if word == "--output"}
    for name in made if words[0] != "run" else ():
        shutil.rmtree(name, ignore_errors=True)
    if words[0] in ("import-hf", "export-hf"):
        Path(words[2]).unlink(missing_ok=True)
    for word in words:
        parts = Path(word).parts
        if parts[:1] == ("runs",) and word not in made and not Path(word).exists():
            top = Path(*parts[: 3 if parts[1] == "experiments" else 2])
            if (stock / top).exists():  # else a gin file of that name
                shutil.copytree(stock / top, top)


def _rft(command: str, *words: str) -> None:
    """Runs an rft command at a tiny size."""
    works = not {"--help", "--help-all", "--dry_run"} & {*words}
    draws = (command, "--samples" in words) != ("evaluate", True)
    answers = any("train.eval_problems" in word for word in words)
    names = [*SMALL.get(command, ()), *(SMALL["evaluate"] if answers else ())]
    small = [f"--gin.{one}" for one in names if works and draws]
    try:
        code: object = cli.main([command, *small, *words])
    except SystemExit as end:  # --help
        code = end.code
    if code:
        sys.exit(f"exit code {code}: rft {command} {' '.join(words)}")


if __name__ == "__main__":
    sys.path.insert(0, os.getcwd())
    *pages, folder = sys.argv[1:]
    os.environ["GSM8K_DIR"] = str(Path(folder, "data"))
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.getcwd()])
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    if pages and pages[0] in cli.COMMANDS:
        type_examples(pages[0], Path(folder))
    elif pages:
        type_page(next(page for page in PAGES if page.name == pages[0]), Path(folder))
    else:
        make_stock()
