"""Models on disk: Hugging Face folders in and out, train states by Orbax, what `--model` names."""
