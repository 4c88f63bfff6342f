"""`rft run`: experiments as graphs of stages, each of them a command that a user could type."""
