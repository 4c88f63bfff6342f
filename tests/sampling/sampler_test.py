"""`Sampler`: samples for prompts at hand, and the records made of them."""

from __future__ import annotations

import json
import math
import re
import shutil
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest

from rft_jax.checkpoints.load import LoadedModel, load_model
from rft_jax.errors import UserError
from rft_jax.sampling import Sampler
from rft_jax.sampling.requests import SampledTokens
from rft_jax.tokenizers import load_tokenizer
from tests.sampling.tiny import SETTINGS


@pytest.fixture(scope="module")
def model(files: Path) -> LoadedModel:
    """The model of `files`."""
    return load_model(files / "model")


def test_a_sampler_samples_in_three_lines(model: LoadedModel) -> None:
    sampler = Sampler(model, model.tokenizer, SETTINGS)
    sampled = sampler.sample(["Amy has 3 apples.\n", "How many?\n", "Amy has 3 apples.\n"], k=2)
    assert [len(samples) for samples in sampled] == [2, 2, 2]
    assert sampled[0] == sampled[2]  # by text and seed alone
    assert sampled[0][0].tokens != sampled[0][1].tokens
    other = sampler.sample(["How many?\n"], k=2, seed=1)
    assert other[0][0].tokens != sampled[1][0].tokens
    assert sampler.sample(["How many?\n"], k=2)[0] == sampled[1]


@pytest.mark.parametrize("name", ["calculator", "dtype", "template", "limit", "heat"])
def test_a_change_without_effect_on_a_call_is_refused(model: LoadedModel, name: str) -> None:
    sampler = Sampler(model, model.tokenizer, SETTINGS)
    with pytest.raises(UserError, match=rf"Sampler.sample\({name}=…\): has no effect on one call"):
        sampler.sample(["How many?\n"], **{name: 1})


def test_one_stop_string_may_be_given_as_text(model: LoadedModel) -> None:
    sampler = Sampler(model, model.tokenizer, SETTINGS)
    (free,) = sampler.sample(["How many?\n"], k=8)
    stop = next(found[0] for one in free if (found := re.search(r"\w{2}", one.response)))
    for given in (stop, (stop,)):
        (cut,) = sampler.sample(["How many?\n"], k=8, stop=given)
        assert [one.response for one in cut] == [one.response.split(stop)[0] for one in free]
        reasons = [one.finish_reason for one in cut]
        assert all(
            r == "stop" for r, one in zip(reasons, free, strict=True) if stop in one.response
        )
    (uncut,) = sampler.sample(["How many?\n"], k=8, stop="a text that is in none of them")
    assert uncut == free


def test_a_stop_string_that_is_a_special_token_ends_a_response(
    files: Path, model: LoadedModel, tmp_path: Path
) -> None:
    prompt, name_of = "How many?\n", model.tokenizer.backend.id_to_token
    (free,) = Sampler(model, model.tokenizer, SETTINGS).sample([prompt], k=8)
    number = next(n for n in free[0].tokens[1:] if name_of(n) not in prompt)
    folder = shutil.copytree(files / "model", tmp_path / "model")
    content = json.loads((folder / "tokenizer.json").read_text())
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    added = {"id": number, "content": name_of(number), "special": True, **flags}
    content["added_tokens"].append(added)
    (folder / "tokenizer.json").write_text(json.dumps(content))

    sampler = Sampler(model, load_tokenizer(folder), SETTINGS)
    assert sampler.sample([prompt], k=8)[0][0].tokens == free[0].tokens
    (cut,) = sampler.sample([prompt], k=8, stop=name_of(number))
    for one, whole in zip(cut, free, strict=True):
        occurs = number in whole.tokens
        end = whole.tokens.index(number) + 1 if occurs else len(whole.tokens)
        assert one.tokens == whole.tokens[:end]
        assert one.response == sampler.tokenizer.decode(whole.tokens[: end - occurs])
        assert one.finish_reason == ("stop" if occurs else whole.finish_reason)

    with pytest.raises(
        UserError, match=re.escape(f"sample.stop: {name_of(number) + '!'!r} contains")
    ):
        sampler.sample([prompt], k=1, stop=name_of(number) + "!")


def test_a_sample_that_stopped_says_so_whatever_its_last_token(model: LoadedModel) -> None:
    sampler = Sampler(model, model.tokenizer, SETTINGS)
    tokens, logprobs = np.array([5, 6]), np.array([-1.0, -0.5], np.float32)
    sampled = [SampledTokens(tokens, logprobs, stopped) for stopped in (True, False)]
    samples = sampler.to_samples(sampled, "p", "m", first=4)
    assert [one.finish_reason for one in samples] == ["stop", "length"]
    assert [(one.id, one.sample, one.model, one.logprob) for one in samples] == [
        ("p", 4, "m", -1.5),
        ("p", 5, "m", -1.5),
    ]


def test_a_model_whose_logits_are_nan_is_refused(model: LoadedModel) -> None:
    broken = replace(model, params=jax.tree.map(lambda x: x * math.nan, model.params))
    sampler = Sampler(broken, model.tokenizer, SETTINGS)
    with pytest.raises(UserError, match="sample 0: the model's logits are NaN or infinite"):
        sampler.sample(["How many?\n"])
