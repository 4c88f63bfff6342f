"""A model folder as the commands name it with `--model`: parameters, tokenizer, template."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jax.sharding import Mesh

from rft_jax.checkpoints.huggingface import export_model, import_params
from rft_jax.checkpoints.huggingface_config import read_config
from rft_jax.errors import UserError
from rft_jax.models.config import LlamaConfig
from rft_jax.models.llama import Params
from rft_jax.prompts import Template, get_template, load_template
from rft_jax.tokenizers import Tokenizer, load_tokenizer

DEFAULT_TEMPLATE = "plain"


@dataclass(frozen=True)
class LoadedModel:
    """All that is needed to train from a model or to draw from it."""

    config: LlamaConfig
    params: Params
    tokenizer: Tokenizer
    template: Template


def load_model(
    folder: str | Path,
    mesh: Mesh | None = None,
    dtype: str = "float32",
    param_dtype: str = "float32",
) -> LoadedModel:
    """Reads a Hugging Face folder or the output folder of a finished training.

    Args:
      mesh: where the parameters go; None for the first device.
      dtype: 'float32' or 'bfloat16', of the computation.
      param_dtype: 'float32' or 'bfloat16', of the parameters.

    Raises:
      UserError: something is missing, or config, weights and tokenizer don't belong together.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; --model names a folder with config.json")
    config = read_config(folder, dtype=dtype, param_dtype=param_dtype)
    tokenizer = load_tokenizer(folder)
    if tokenizer.vocab_size > config.vocab_size:
        raise UserError(
            f"{folder}: the tokenizer has {tokenizer.vocab_size} tokens, config.json a vocab_size "
            f"of {config.vocab_size}; the two don't belong together"
        )
    template = load_template(folder) or get_template(DEFAULT_TEMPLATE)
    return LoadedModel(config, import_params(folder, config, mesh), tokenizer, template)


def copy_model(
    source: str | Path, target: str | Path, dtype: str = "float32", template: str | None = None
) -> None:
    """Writes a model folder again, as a Hugging Face folder with a prompt template.

    Args:
      dtype: of the written parameters: 'float32', 'bfloat16' or 'float16'.
      template: name of the template to carry along; None for the source's own.

    Raises:
      UserError: the source can't be read, or there is something at the target.
    """
    if Path(target).exists() and (not Path(target).is_dir() or any(Path(target).iterdir())):
        raise UserError(f"{target}: exists already and is not empty; name a new folder")
    model = load_model(source)
    chosen = get_template(template) if template else model.template
    export_model(target, model.config, model.params, model.tokenizer, chosen, dtype)
