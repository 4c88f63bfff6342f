"""The subcommands of `rft`: what each is called, takes and explains."""
