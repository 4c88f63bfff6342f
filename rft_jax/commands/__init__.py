"""The subcommands of `rft`: flags, settings, help texts and calls."""
