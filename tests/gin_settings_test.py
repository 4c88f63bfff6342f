"""Settings by gin: bindings, the search for files, and the messages for invalid ones."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rft_jax.errors import UserError
from rft_jax.gin_settings import SYNONYMS, flag_value, load_config
from rft_jax.sampling.settings import SampleSettings
from rft_jax.training.settings import TrainSettings


@dataclass(frozen=True)
class Rope:
    kind: str
    factor: float = 1.0


@dataclass(frozen=True)
class Cook:
    """What is cooked."""

    minutes: int = 10
    salt: float = 0.5
    dish: str = "soup"
    hot: bool = True
    spices: tuple[str, ...] = ()
    size: int | None = None
    heat: Literal["low", "high"] = "low"
    rope: Rope | None = None


@dataclass(frozen=True)
class Serve:
    plates: int = 1


CLASSES = {"cook": Cook, "serve": Serve}


def _load(text: str, tmp_path: Path, *flags: str, scoped: bool = False) -> Cook:
    file = tmp_path / "settings.gin"
    file.write_text(text)
    return load_config(CLASSES, [str(file)], flags, scoped).get(Cook)


def test_nothing_bound_gives_the_defaults():
    assert load_config(CLASSES).get(Cook) == Cook()


def test_files_bind_in_order_and_flags_last(tmp_path):
    first, second = tmp_path / "a.gin", tmp_path / "b.gin"
    first.write_text("cook.minutes = 1\ncook.dish = 'stew'\ncook.salt = 0.1\n")
    second.write_text("cook.minutes = 2\ncook.salt = 0.2\n")
    config = load_config(CLASSES, [str(first), str(second)], ["cook.salt=0.3"])
    assert config.get(Cook) == Cook(minutes=2, dish="stew", salt=0.3)


def test_values_take_the_annotated_type(tmp_path):
    settings = _load(
        "cook.salt = 1\ncook.spices = ['a', 'b']\ncook.size = 3\n"
        "cook.rope = {'kind': 'linear', 'factor': 2}\n",
        tmp_path,
    )
    assert (settings.salt, settings.spices, settings.size) == (1.0, ("a", "b"), 3)
    assert type(settings.salt) is float
    assert settings.rope == Rope("linear", 2.0)


def test_text_in_a_flag_needs_no_nested_quotes():
    config = load_config(CLASSES, flags=["cook.dish=beans/on toast", "cook.heat=high"])
    assert config.get(Cook) == Cook(dish="beans/on toast", heat="high")


def test_an_empty_flag_is_an_empty_string():
    assert load_config(CLASSES, flags=["cook.dish="]).get(Cook).dish == ""


@given(st.text(max_size=30).filter(lambda text: "\x00" not in text))
def test_any_text_passes_through_a_flag_unchanged(text):
    flags = [f"cook.dish={flag_value(text)}"]
    assert load_config(CLASSES, flags=flags).get(Cook).dish == text


@given(
    st.builds(
        Cook,
        minutes=st.integers(),
        salt=st.floats(allow_nan=False, allow_infinity=False),
        dish=st.text(max_size=10),
        spices=st.lists(st.text(max_size=3), max_size=3).map(tuple),
        size=st.none() | st.integers(),
        rope=st.none() | st.builds(Rope, kind=st.text(max_size=3)),
    )
)
def test_the_resolved_text_gives_the_same_settings_again(tmp_path_factory, cook):
    flags = [f"cook.{name}={flag_value(value)}" for name, value in vars(cook).items()]
    config = load_config(CLASSES, flags=flags)
    file = tmp_path_factory.mktemp("gin") / "config.gin"
    file.write_text(config.text(), encoding="utf-8", errors="surrogatepass", newline="")
    assert config.get(Cook) == cook
    assert load_config(CLASSES, [str(file)]).get(Cook) == cook


def test_macros_includes_and_blocks_work_as_in_gin(tmp_path):
    (tmp_path / "base.gin").write_text("TIME = 3\ncook:\n  minutes = %TIME\n  spices = [%SPICE]\n")
    text = "include 'base.gin'\nTIME = 4\nSPICE = 'mace'\n"
    assert _load(text, tmp_path) == Cook(minutes=4, spices=("mace",))


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("train.lr = 1e-5", "train.learning_rate"),
        ("train.LR = 1e-5", "train.learning_rate"),
        ("train.num_train_epochs = 3", "train.num_epochs"),
        ("train.gradient_accumulation_steps = 2", "train.gradient_accumulation"),
        ("sample.n = 4", "sample.num_samples"),
        ("sample.max_tokens = 9", "sample.max_new_tokens"),
    ],
)
def test_a_setting_under_another_programs_name_is_found_by_meaning(
    tmp_path: Path, text: str, meant: str
) -> None:
    (tmp_path / "settings.gin").write_text(text)
    classes = {"train": TrainSettings, "sample": SampleSettings}
    with pytest.raises(UserError, match=f"it is called {meant} here"):
        load_config(classes, [str(tmp_path / "settings.gin")])


def test_every_synonym_means_a_setting_that_exists() -> None:
    names = {f.name for kind in (TrainSettings, SampleSettings) for f in fields(kind)}
    assert set(SYNONYMS.values()) <= names


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cook.minuts = 3", r"settings.gin:1: cook has no 'minuts'; closest: cook.minutes"),
        ("\nkook.minutes = 3", r"settings.gin:2: no settings 'kook' here; closest: cook.minutes"),
        ("cook.minutes = 'three'", r":1: cook.minutes is 'three'; an integer is needed"),
        ("cook.minutes = 3.0", r"cook.minutes is 3.0; an integer is needed"),
        ("cook.minutes = True", r"cook.minutes is True; an integer is needed"),
        ("cook.hot = 1", r"cook.hot is 1; True or False is needed"),
        ("cook.dish = 3", r"cook.dish is 3; a string in quotes is needed"),
        ("cook.spices = 'ab'", r"a list such as \['a', 'b'\] is needed"),
        ("cook.size = 'x'", r"an integer or None is needed"),
        ("cook.heat = 'hot'", r"one of 'low', 'high' is needed"),
        ("cook.rope = {'kin': 'x'}", r"'kin' is not one of its fields kind, factor"),
        ("cook.minutes = (1,", r"settings.gin:\d+: not gin"),
        ("cook.minutes 3", r"settings.gin:1: not gin"),
        ("cook.minutes = @serve()", r"settings.gin: @serve: a setting is a plain value"),
        ("import os", r"settings.gin:1: import"),
        ("cook.minutes = %M", r"settings.gin:1: %M is not defined"),
        ("minutes = 3", r"settings.gin:1: minutes: not a setting; write NAME.FIELD = VALUE"),
        ("M = %M\ncook.minutes = %M", r"settings.gin:1: %M is defined by itself; give it"),
        ("M = 2\ncook.minutes = %M\nsft/M = 3", r"settings.gin:3: sft/M is not a .*a macro has no"),
        ("sft/cook.minutes = 3", r"settings.gin:1: only rft run and rft plan have scopes"),
        ("include 'nowhere.gin'", r"nowhere.gin: no such gin file"),
        ("include 'settings.gin'", r"include one another in a cycle"),
    ],
)
def test_an_invalid_binding_is_refused_with_its_line_and_the_fix(tmp_path, text, message):
    with pytest.raises(UserError, match=message):
        _load(text, tmp_path)


def test_an_invalid_flag_is_refused_as_it_was_typed():
    with pytest.raises(UserError, match=r"--gin.cook.minuts=3: cook has no 'minuts'"):
        load_config(CLASSES, flags=["cook.minuts=3"])
    with pytest.raises(UserError, match=r"--gin.cook.minutes: write --gin.NAME.FIELD=VALUE"):
        load_config(CLASSES, flags=["cook.minutes"])


def test_a_scope_binds_only_its_own_settings(tmp_path):
    file = tmp_path / "scoped.gin"
    file.write_text("cook.minutes = 1\ncook.salt = 0.1\nsft/cook.minutes = 5\n")
    config = load_config(CLASSES, [str(file)], scoped=True)
    assert config.get(Cook, "sft") == Cook(minutes=5, salt=0.1)
    assert config.get(Cook, "rft") == Cook(minutes=1, salt=0.1)
    assert config.scopes == {"sft": f"{file}:3"}
    assert "sft/cook.minutes = 5" in config.text()


def test_the_title_is_the_first_line_of_the_text():
    assert load_config(CLASSES, title="rft cook").text().startswith("# rft cook\ncook.minutes = 10")


def test_loads_are_independent():
    load_config(CLASSES, flags=["cook.minutes=7"])
    assert load_config(CLASSES).get(Cook).minutes == 10


def test_a_gin_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "mine.gin").write_bytes(b"\xef\xbb\xbfsample.top_p = 0.5\r\n")
    config = load_config({"sample": SampleSettings}, [str(tmp_path / "mine.gin")])
    assert config["sample"].top_p == 0.5
