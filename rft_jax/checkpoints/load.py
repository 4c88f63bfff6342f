"""What `--model` names: a folder with parameters, a tokenizer and a prompt template."""

from __future__ import annotations

import logging
import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import jax
from jax.sharding import Mesh

from rft_jax.chat_templates import ChatTemplate, own_template, read_chat_template
from rft_jax.checkpoints.folders import DESCRIPTION, find_description
from rft_jax.checkpoints.huggingface import (
    abstract_params,
    export_model,
    import_params,
    write_description,
)
from rft_jax.checkpoints.huggingface_config import read_config, stored_dtype
from rft_jax.checkpoints.names import model_folder
from rft_jax.checkpoints.peft import read_adapters
from rft_jax.errors import UserError
from rft_jax.models.config import LlamaConfig
from rft_jax.models.llama import Params
from rft_jax.models.lora import with_adapters
from rft_jax.prompts import CHAT, Template, get_template
from rft_jax.tokenizers import Tokenizer, load_tokenizer

_MARKER = re.compile(r"<\|[^|<>\s]+\|>|</?s>")
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoadedModel:
    """A model to train from or to sample from.

    Attributes:
      config: its shape, and how it is computed.
      params: its parameters, layers stacked.
      tokenizer: its tokenizer.
      template: the prompt template that its folder carries.
      chat: the chat template that its folder carries, or None.
      source: what it was loaded from; '' for random weights.
    """

    config: LlamaConfig
    params: Params
    tokenizer: Tokenizer
    template: Template
    chat: ChatTemplate | None = None
    source: str = ""

    def template_named(self, name: str) -> Template:
        """The template of that name, the model's own for '' or '+program', its chat template's.

        Warns of markers in it, such as `<|im_start|>`, that are not tokens of the tokenizer.
        """
        template = get_template(name, self.template, self.chat.to_prompt if self.chat else None)
        after_bos = template.prompt.removeprefix(self.tokenizer.bos)
        for marker in dict.fromkeys(_MARKER.findall(after_bos)):
            length = len(self.tokenizer.encode(self.tokenizer.bos + marker))
            if length > 1:
                logger.warning(
                    "template %r: %s is not a token of this model's tokenizer and is read as %d "
                    "tokens; take a template that the model knows, such as 'plain'",
                    *(template.name, marker, length),
                )
        return template


def load_model(
    folder: str | Path,
    mesh: Mesh | None = None,
    dtype: str = "float32",
    param_dtype: str = "float32",
) -> LoadedModel:
    """Reads a model from a folder, whose kind is detected.

    Args:
      folder: a Hugging Face folder, the output of a finished training (which is one), the
        `checkpoints` of a training (for its newest undamaged step), or one of the steps in there;
        or any other name that `--model` takes.
      mesh: devices of the parameters; None for the first device.
      dtype: of the computation: 'float32' or 'bfloat16'.
      param_dtype: of the parameters: 'float32' or 'bfloat16'.

    Raises:
      UserError: something is missing, or config, weights and tokenizer don't belong together.
    """
    folder = Path(model_folder(str(folder)))
    description, step = find_description(folder)
    config = read_config(description, dtype=dtype, param_dtype=param_dtype)
    tokenizer = load_tokenizer(description, config.vocab_size)
    template, chat = own_template(description), read_chat_template(description)
    if description == folder:
        params = import_params(folder, config, mesh)
        config = replace(config, tie_word_embeddings="unembed" not in params)
    else:
        from rft_jax.checkpoints.train_state import restore_params  # Orbax, which loads slowly

        params = restore_params(description.parent, abstract_params(config, mesh), step)
    return LoadedModel(config, params, tokenizer, template, chat, str(folder))


def describe_checkpoints(
    folder: str | Path, config: LlamaConfig, tokenizer: Tokenizer, template: Template, dtype: str
) -> None:
    """Writes config, tokenizer and template beside the steps, so that each step is a model.

    Args:
      dtype: that a copy of a step gets.
    """
    if jax.process_index() == 0:
        write_description(Path(folder) / DESCRIPTION, config, tokenizer, template, dtype)


def copy_model(
    source: str | Path,
    target: str | Path,
    dtype: str | None = None,
    template: str | None = None,
    system_prompt: str = "",
    adapter: str = "",
) -> None:
    """Writes a copy of a model as a Hugging Face folder with a prompt template.

    Args:
      source: what `load_model` reads.
      target: folder to write, new or empty.
      dtype: of the written parameters: 'float32', 'bfloat16' or 'float16'; None for the source's.
      template: name of the template that the copy carries; None for the source's own.
      system_prompt: system message that the source's chat template puts before the question; for
        the template 'chat' only.
      adapter: folder of a PEFT adapter that is merged into the copy; '' for none.

    Raises:
      UserError: the source can't be read or written in that dtype, or the target is not empty.
    """
    if Path(target).exists() and (not Path(target).is_dir() or any(Path(target).iterdir())):
        raise UserError(f"{target}: exists already and is not empty; name a new folder")
    model = load_model(source)
    chosen = model.template_named(template or "")
    if system_prompt:
        if model.chat is None or chosen.name != CHAT:
            raise UserError(
                f"a system prompt needs a chat template; {source} has none, or another template "
                f"({chosen.name!r}) was named: say --template {CHAT}"
            )
        chosen = model.chat.to_prompt(system_prompt)
    config, params = model.config, model.params
    if adapter:
        config, adapters = read_adapters(adapter, config)
        params = with_adapters(params, adapters)
    dtype = dtype or stored_dtype(find_description(Path(model.source))[0])
    try:
        export_model(target, config, params, model.tokenizer, chosen, dtype)
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)  # so that the same name can be taken again
        raise
