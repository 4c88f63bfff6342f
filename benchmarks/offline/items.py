"""The items of measure.py: each a list of commands, the most important first.

Sizes fit a GPU of 80 GB; a command takes less than ten minutes on one, but for `rft run`, which
resumes.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RATES = ("5e-5", "2e-4", "8e-4")
HELD_OUT = 1000
RUN = "run"  # folder of an item's `rft run`
TINY_SAMPLING = "--shape tiny --slots 16 --k 8 --seconds 0.5 --warm 0.5 --repeats 1"
TINY_TRAINING = "--model tiny --batch 2 --length 32 --loss_chunk 16 --repeats 2 --dtype bfloat16"


@dataclass(frozen=True)
class Workspace:
    """The folders of an item.

    Attributes:
      item: its own, with its outputs.
      work: of all items, with packages, data and model.
      k: samples per problem of the item gsm8k.
      tiny: whether the item is a trial with few problems and a tiny model.
    """

    item: Path
    work: Path
    k: int = 100
    tiny: bool = False

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a command: the checkout, the bundle's packages and its GSM8K."""
        paths = [str(ROOT), str(self.work / "site"), os.environ.get("PYTHONPATH", "")]
        return os.environ | {
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "PYTHONUNBUFFERED": "1",
            "JAX_COMPILATION_CACHE_DIR": str(self.work / "compiled"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "TQDM_DISABLE": "1",  # progress bars would fill the logs
            "GSM8K_DIR": str(self.work / "data"),
        }


@dataclass(frozen=True)
class Step:
    """A command of an item: a name and the words after `python`."""

    name: str
    words: tuple[str, ...]


def gsm8k(workspace: Workspace) -> Iterator[Step]:
    """The learning rate by held-out training problems; the paper's loop; its controls."""
    yield Step("doctor", ("-m", "rft_jax.cli", "doctor"))
    model = workspace.work / "smollm2-135m"
    gguf = str(workspace.work / "model.gguf")
    if not (model / "config.json").exists():
        words = ("launch/smollm2_from_gguf.py", "--gguf", gguf, "--output", str(model))
        yield Step("model", words)
    for rate in RATES:
        held_out = {
            "run.train_problems": str(workspace.item / "tune-train.jsonl"),
            "run.test_problems": str(workspace.item / "tune-held-out.jsonl"),
            "train.learning_rate": rate,
        }
        yield _run(workspace, f"tune-{rate}", ["sft"], held_out)
    best = {"train.learning_rate": best_rate(workspace.item)}
    first, controls = ["rho", "sft", "rft"], ["rho", "sft", "sft_steps", "rft", "rft_no_dedup"]
    yield _run(workspace, "first", first, best)
    yield _run(workspace, "controls", controls, best)
    yield _run(workspace, "votes", controls, best, votes=["sft", "rft"])
    yield _run(workspace, "temperature-1", ["sft", "rft"], best | {"sample.temperature": "1.0"})
    yield _run(workspace, "seeds", ["sft", "rft"], best | {"run.seeds": "(0, 1)"})
    union = {"run.experiment": "rft_union", "rft_union.k": "%K"}
    union |= {"rft_union.members": "(0, 1)", "rft_union.sizes": "(1, 2)"}
    yield _run(workspace, "union", ["sft", "rft_u1", "rft_u2"], best | union)


def _run(
    workspace: Workspace,
    name: str,
    arms: list[str],
    bindings: dict[str, str],
    votes: list[str] | None = None,
) -> Step:
    """`rft run` of some arms; all runs share their stages, results are in the folder `name`."""
    words = ["-m", "rft_jax.cli", "run", "--output", str(workspace.item / RUN), "--model"]
    words += [str(workspace.work / "smollm2-135m")]
    words += ["--gin_file", "experiments/gsm8k_smollm2_135m.gin"]
    # An evaluation has fewer problems than 2,048 slots, and every slot costs in every step.
    sizes = {"K": str(workspace.k), "sample.slots": "2048", "vote/evaluate.slots": "2048"}
    if workspace.tiny:
        sizes = {"SLOTS": "8", "K": "2", "DTYPE": "float32", "run.limit": "8"}
        sizes |= {"train.num_steps": "2", "train.batch_size": "2"}
        sizes |= {"sample.max_new_tokens": "8", "evaluate.max_new_tokens": "8"}
    experiment = {"run.name": name, "run.arms": repr(arms), "run.vote_arms": repr(votes or [])}
    words += [f"--gin.{key}={value}" for key, value in (sizes | experiment | bindings).items()]
    return Step(name, tuple(words))


def best_rate(item: Path) -> str:
    """The learning rate with the highest held-out accuracy; BEST before it is known."""
    accuracies: dict[str, float] = {}
    for rate in RATES:
        results = item / RUN / f"tune-{rate}" / "results.json"
        if results.exists():
            accuracies[rate] = json.loads(results.read_text())["rows"][0]["accuracy"]["value"]
    return max(accuracies, key=accuracies.__getitem__, default="BEST")


def hold_out(rows: str, folder: Path) -> None:
    """Divides the training problems into a file to tune on and a held-out file, by a fixed seed."""
    lines = rows.rstrip("\n").split("\n")  # splitlines would split at U+2028 too
    held_out = set(random.Random("held out").sample(range(len(lines)), HELD_OUT))
    for name, is_held in (("tune-train", False), ("tune-held-out", True)):
        text = "".join(f"{line}\n" for i, line in enumerate(lines) if (i in held_out) == is_held)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")


def sampling(workspace: Workspace) -> Iterator[Step]:
    """Sampling speed by model size: new tokens per second first, then single measurements."""
    yield Step("doctor", ("-m", "rft_jax.cli", "doctor"))
    for name, shape, slots, parts, *more in (
        ("7b", "7b", 192, "speed"),
        ("1.1b", "1.1b", 512, "speed,generate"),
        ("7b-int8", "7b", 384, "speed", "--int8"),
        ("7b-prefix", "7b", 128, "prefix"),
        ("135m", "135m", 2048, "speed"),
        ("135m-512", "135m", 512, "speed,top_p"),
        ("1.1b-refill", "1.1b", 512, "refill"),
        ("int8", "13m", 0, "int8"),
    ):
        words = ["benchmarks/sampling.py", "--shape", shape, "--slots", str(slots)]
        words += ["--parts", parts, "--dtype", "bfloat16", "--seconds", "8", "--repeats", "3"]
        words += ["--output", str(workspace.item / f"{name}.json"), *more]
        if workspace.tiny:
            words += TINY_SAMPLING.split()
        yield Step(name, tuple(words))


def training(workspace: Workspace) -> Iterator[Step]:
    """Training speed: 1.1B beside the Hugging Face Trainer, 7B with LoRA, all of 3B, and 135M.

    All of 7B needs 108 GiB by XLA's count, at 4 rows and the first moment in bfloat16.
    """
    yield Step("doctor", ("-m", "rft_jax.cli", "doctor"))
    common = "--length 2048 --remat save_attention --loss_chunk 256"
    for name, flags in {
        "1.1b": "--model tinyllama_1b --batch 8",
        "7b-lora": "--model 7b --batch 8 --lora 16 --against nothing",
        "3b-full": "--model openllama_3b --batch 4 --moments bfloat16 --against nothing",
        "135m": "--model smollm2_135m --batch 48 --length 512",
        "1.1b-their-remat": "--model tinyllama_1b --batch 8 --their_remat",
        "1.1b-no-remat": "--model tinyllama_1b --batch 8 --remat none --against nothing",
    }.items():
        words = ["benchmarks/training.py", *common.split(), *flags.split()]
        if workspace.tiny:
            words += TINY_TRAINING.split()
            words += [] if "--against" in words else ["--against", "trainer"]
        yield Step(name, (*words, "--output", str(workspace.item / f"{name}.json")))


ITEMS: dict[str, Callable[[Workspace], Iterator[Step]]] = {
    "gsm8k": gsm8k,
    "sampling": sampling,
    "training": training,
}
