"""Models by their name on the Hugging Face Hub, e.g. `Qwen/Qwen2.5-Math-1.5B`."""

from __future__ import annotations

import re
from pathlib import Path

from rft_jax.errors import UserError

_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*(@[\w./-]+)?")
# Plain data: weights as safetensors, configuration, tokenizer; neither pickles nor code.
_FILES = ["*.safetensors", "*.json", "*.jinja", "tokenizer.model"]


def is_hub_name(name: str) -> bool:
    """Whether a name can only be one on the Hub: `owner/model`, perhaps with `@revision`.

    A path that exists, or whose parent folder does, is a path.
    """
    return bool(_NAME.fullmatch(name)) and not (Path(name).exists() or Path(name).parent.exists())


def download(name: str) -> str:
    """The folder with a model's files in the Hub's cache, downloaded unless they are there.

    Args:
      name: `owner/model`, with `@revision` for a branch, tag or commit other than `main`.

    Raises:
      UserError: there is no such model, it may not be read, or the Hub can't be reached.
    """
    from huggingface_hub import snapshot_download

    repository, _, revision = name.partition("@")
    try:
        return snapshot_download(repository, revision=revision or None, allow_patterns=_FILES)
    except Exception as error:  # of the network, of access, of the cache: the library has many
        raise UserError(
            f"{name}: no such folder, and as the name of a model on the Hugging Face Hub it could "
            f"not be downloaded ({type(error).__name__}: {_first_line(error)}); check the name and "
            f"your access, or run elsewhere: hf download {repository} --local-dir FOLDER, and copy "
            "that folder here"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:200]
