"""One protocol over Hugging Face's `tokenizer.json` and SentencePiece's `tokenizer.model`.

The rules, which are the same for both kinds:

- `encode` adds no token. A text is `[bos_id]` (if there is one), then its tokens; a BOS that a
  template begins with is not repeated.
- BOS: what Hugging Face's tokenizer puts in front of a text. `tokenizer.json` says it in its
  post-processor; for `tokenizer.model` it is LLaMA's rule (yes, unless `add_bos_token` is false). A
  model that owns a BOS token but does not start texts with it (SmolLM2) has `bos_id` None.
- EOS: `eos_id`, which ends the responses of training, is `eos_token` of `tokenizer_config.json`;
  without one (or one that the tokenizer lacks), the first `eos_token_id` of
  `generation_config.json`, then of `config.json`. `eos_ids`, which end a generation, are that one
  and all that `generation_config.json` (without one, `config.json`) lists: LLaMA 3 has three.
- Padding: the declared pad token, unless it ends texts too (many declare EOS as pad) or the model
  has no row for it; then the unknown token, then the first id that is neither BOS nor EOS. It only
  fills: loss weights and segment ids say what counts, never the id.
"""

from rft_jax.tokenizers.backends import load_tokenizer
from rft_jax.tokenizers.base import Tokenizer

__all__ = ["Tokenizer", "load_tokenizer"]
