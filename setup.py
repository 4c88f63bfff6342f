"""Package metadata; the gin files of `configs/` are installed as the package `rft_jax.configs`."""

from __future__ import annotations

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "rft_jax/__init__.py").read_text())
CONFIG_PACKAGES = [
    "rft_jax.configs",
    *(f"rft_jax.configs.{p.name}" for p in sorted((HERE / "configs").iterdir()) if p.is_dir()),
]
EXTRAS = {
    "data": [
        "seqio>=0.0.20",
        "tensorflow>=2.20",
        "tensorflow-text>=2.20",
        "tensorflow-datasets>=4.9.8",
        "importlib_resources",  # tensorflow-datasets 4.9.10 does not declare it
    ],
    "parquet": ["pyarrow>=18"],
    "gcs": ["gcsfs>=2024.2"],
    "s3": ["s3fs>=2024.2"],
    "beam": ["apache-beam>=2.70", "google-crc32c"],
    "hf": ["torch>=2.6", "transformers>=5.0,<6", "gguf>=0.10", "accelerate>=1.0"],
    "cuda": ["jax[cuda13]>=0.10,<0.12"],
    "tpu": ["jax[tpu]>=0.10,<0.12"],
    "tensorboard": ["tensorboard>=2.20,<3", "xprof>=2.20,<3"],
    "notebooks": ["jupyterlab>=4", "nbconvert>=7", "ipykernel", "matplotlib>=3.9,<4"],
    "dev": [
        "pytest>=8",
        "pytest-xdist>=3.6",
        "hypothesis>=6.100",
        "ruff>=0.15,<0.18",
        "mypy>=1.18,<3",
        "build",
        "setuptools>=77",
        "jsonschema>=4",
        "datasets>=4.0",  # reads exports back
        "pyarrow>=18",
        "pyyaml>=6",
        "nbclient>=0.10",
        "ipykernel",
    ],
    "docs": ["mkdocs>=1.6,<2", "mkdocstrings[python]>=0.26"],
}

setup(
    name="rft-jax",
    version=VERSION.group(1) if VERSION else "0",
    description="Rejection-sampling fine-tuning of language models on math problems, in JAX",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    packages=[*find_packages(include=["rft_jax", "rft_jax.*"]), *CONFIG_PACKAGES],
    package_dir={"rft_jax.configs": "configs"},
    package_data={
        "rft_jax": [
            "py.typed",
            "report/*.css",
            "report/*.js",
            "report/*.json",
            "arithmetic/tokenizer/*",
            "wordproblems/model/*",
            "wordproblems/large/*",
            "wordproblems/tokenizer/*",
            "wordproblems/mixed/*",
            "wordproblems/mixed_tokenizer/*",
        ],
        **{package: ["*.gin"] for package in CONFIG_PACKAGES},
    },
    install_requires=[
        "jax>=0.10,<0.12",
        "flax>=0.12.6,<0.14",
        "optax>=0.2.6,<0.3",
        "orbax-checkpoint>=0.12,<0.13",
        "etils[epath]>=1.9,<2",
        "numpy>=2.0,<3",
        "ml_dtypes>=0.5,<1",
        "scipy>=1.13,<2",
        "fsspec>=2024.2",
        "jaxtyping>=0.3",
        "gin-config>=0.5,<0.6",
        "tokenizers>=0.22,<0.24",
        "sentencepiece>=0.2,<0.2.3",  # 0.2.3 breaks with the protobuf of apache-beam
        "safetensors>=0.6,<0.9",
        "huggingface_hub>=0.34",
        "jinja2>=3.1.6",
        "sympy>=1.13",
        "math-verify>=0.9,<0.10",
        "latex2sympy2_extended>=1.11,<1.12",  # Math-Verify's parser
        "rapidfuzz>=3.10,<4",
        "orjson>=3.10,<4",
        "tensorboardX>=2.6,<3",
        "rich>=13",
        "packaging>=24",
    ],
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["rft = rft_jax.cli:main"]},
    classifiers=[
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
