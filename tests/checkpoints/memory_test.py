"""Import streams: over the arrays themselves, host memory holds less than one tensor."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rft_jax.checkpoints.safetensors_files import write_tensors
from tests.llama_twin import tensor_shapes, tiny_config

_MEASURE = """
import sys, threading, time
import jax, jax.numpy as jnp
from rft_jax.checkpoints.huggingface import import_params
from rft_jax.checkpoints.huggingface_config import read_config

def private_bytes():
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("RssAnon"))
    return int(line.split()[1]) * 1024

def watch():
    while not done.is_set():
        peak[0] = max(peak[0], private_bytes())
        time.sleep(0.002)

jax.block_until_ready(jnp.zeros(3) + 1)
start, done = private_bytes(), threading.Event()
peak = [start]
watcher = threading.Thread(target=watch)
watcher.start()
params = import_params(sys.argv[1], read_config(sys.argv[1], param_dtype=sys.argv[2]))
jax.block_until_ready(params)
done.set()
watcher.join()
print(peak[0] - start - sum(leaf.nbytes for leaf in jax.tree.leaves(params)))
"""


def _bytes_over_the_final_size(folder: Path, param_dtype: str) -> int:
    out = subprocess.run(
        [sys.executable, "-c", _MEASURE, str(folder), param_dtype],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"XLA_FLAGS": "", "JAX_PLATFORMS": "cpu"},
    )
    print(f"{folder.name} as {param_dtype}: {int(out.stdout) / 1e6:.0f} MB over the final size")
    return int(out.stdout)


def _generate(folder: Path, config: dict[str, Any]) -> Path:
    """A folder of bfloat16 tensors without any meaning."""
    shapes = tensor_shapes(config)
    write_tensors(folder, shapes, "bfloat16", lambda n: np.full(shapes[n], 0.5, "f4"), 10**9)
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def _config(**sizes: int) -> dict[str, Any]:
    return tiny_config(32, 8, tied=True) | {"head_dim": 64} | sizes


pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")


@pytest.mark.parametrize(
    "param_dtype", ["float32", pytest.param("bfloat16", marks=pytest.mark.slow)]
)
def test_import_holds_less_than_one_tensor_beside_the_arrays(
    tmp_path: Path, param_dtype: str
) -> None:
    sizes = {"vocab_size": 64_000, "hidden_size": 512, "intermediate_size": 2048}
    folder = _generate(tmp_path, _config(**sizes, num_hidden_layers=8))
    largest = 64_000 * 512 * (4 if param_dtype == "float32" else 2)
    assert _bytes_over_the_final_size(folder, param_dtype) < largest


@pytest.mark.slow
@pytest.mark.parametrize("param_dtype", ["float32", "bfloat16"])
def test_import_of_a_billion_parameters_holds_less_than_one_tensor_beside_them(
    tmp_path: Path, param_dtype: str
) -> None:
    sizes = {"vocab_size": 128_256, "hidden_size": 2048, "intermediate_size": 8192}
    folder = _generate(tmp_path, _config(**sizes, num_hidden_layers=16))
    assert _bytes_over_the_final_size(folder, param_dtype) < 128_256 * 2048 * 2


@pytest.mark.slow
@pytest.mark.skipif("SMOLLM2_DIR" not in os.environ, reason="needs SMOLLM2_DIR")
def test_import_of_smollm2_holds_less_than_one_tensor_beside_the_arrays() -> None:
    folder = Path(os.environ["SMOLLM2_DIR"])
    assert _bytes_over_the_final_size(folder, "float32") < 49_152 * 576 * 4
