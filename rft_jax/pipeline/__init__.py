"""`rft run`: experiments as graphs of stages, each stage a command that a user could type."""
