"""Settings of sampling: what is refused, under which name."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

import pytest

from rft_jax.commands.base import field_documents
from rft_jax.errors import UserError
from rft_jax.evaluation.settings import EvaluateSettings
from rft_jax.sampling.settings import DecodingSettings, SampleSettings

REFUSED = [
    ({"temperature": 1e-10}, r"temperature = 1e-10: 0 \(greedy\), or at least 0\.0001"),
    ({"temperature": math.inf}, r"temperature = inf: 0 \(greedy\), or"),
    ({"temperature": math.nan}, r"temperature = nan: 0 \(greedy\), or"),
    ({"top_p": 0.0}, r"top_p = 0\.0: above 0"),
    ({"top_k": -1}, r"top_k = -1: at least 0 is needed"),
    ({"num_samples": 0}, r"num_samples = 0: at least 1 is needed"),
    ({"stop": ("",)}, r"stop = \('',\): an empty string would end every response"),
    ({"dtype": "float16"}, r"dtype = 'float16': one of 'float32', 'bfloat16' is needed"),
    ({"slots": 6, "group": 4}, r"slots = 6: a multiple of {name}\.group = 4"),
]


@pytest.mark.parametrize("kind", [SampleSettings, EvaluateSettings])
@pytest.mark.parametrize(("changes", "says"), REFUSED)
def test_what_cannot_be_sampled_is_refused_by_the_name_that_was_bound(
    kind: type[DecodingSettings], changes: dict[str, Any], says: str
) -> None:
    name = {SampleSettings: "sample", EvaluateSettings: "evaluate"}[kind]
    with pytest.raises(UserError, match=rf"^{name}\.{says.format(name=name)}"):
        kind(**changes)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"budget": "untill"}, r"budget = 'untill': one of 'fixed', 'uniform', 'proportional'"),
        ({"budget": "proportional", "average": 4}, r"average = 4: from round_size = 8"),
        ({"budget": "difficulty", "average": 200}, r"average = 200: .* to num_samples = 100"),
        ({"budget": "uniform", "span_hosts": True}, r"'uniform': sample\.span_hosts = False"),
        (
            {"answers": "boxed"},
            r"answers = 'boxed': it has no effect with sample\.budget = 'fixed'",
        ),
        ({"enough": 2}, r"enough = 2: .*= 'fixed'; leave it out, or set .* to 'uniform'$"),
        ({"round_size": 4}, r"round_size = 4: .* to 'uniform' or 'proportional'$"),
        ({"budget": "uniform", "average": 9}, r"average = 9: .*= 'uniform'; .* to 'proportional'$"),
        ({"budget": "difficulty", "enough": 9}, r"enough = 9: .*= 'difficulty'; .* to 'uniform'$"),
        ({"over_long": "wrap"}, r"over_long = 'wrap': one of 'skip', 'cut' is needed"),
        ({"cache_dtype": "int4"}, r"cache_dtype = 'int4': one of '', 'int8' is needed"),
    ],
)
def test_budgets_and_memory_that_cannot_be_are_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says):
        SampleSettings(**changes)


@pytest.mark.parametrize("given", ["\nQuestion:", ["\nQuestion:"], ("\nQuestion:",)])
def test_one_stop_string_is_not_cut_into_letters(given: Any) -> None:
    assert SampleSettings(stop=given).stop == ("\nQuestion:",)


def test_the_names_of_version_0_1_0_stand_for_the_same_budgets() -> None:
    assert SampleSettings(budget="until").budget_kind == "uniform"
    assert SampleSettings(budget="difficulty").budget_kind == "proportional"
    assert SampleSettings().budget_kind == "fixed"


def test_evaluation_samples_with_all_that_is_shared_and_cuts_long_prompts() -> None:
    changes: dict[str, Any] = {
        "num_samples": 3,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 7,
        "max_new_tokens": 11,
        "seed": 4,
        "stop": ("x",),
        "max_prompt_length": 99,
        "common_prefix": True,
        "slots": 16,
        "group": 4,
        "limit": 5,
        "template": "plain",
        "dtype": "bfloat16",
        "calculator": True,
    }
    assert changes.keys() == {field.name for field in fields(DecodingSettings)}
    settings = EvaluateSettings(**changes).sampling()
    assert vars(settings) == vars(SampleSettings(over_long="cut", **changes))
    assert settings.gin_name == "evaluate"


def test_a_field_is_documented_by_the_class_it_is_declared_in_or_again_by_a_subclass() -> None:
    documents = field_documents(EvaluateSettings)
    assert documents["top_k"] == field_documents(DecodingSettings)["top_k"]
    assert documents["num_samples"].endswith("`mean@1`.")
