"""On-policy training on verified rewards (`rft policy`): objective, rewards, rollouts, loop."""

USERS_FOLDER = "RFT_USERS_FOLDER"
"""Environment variable of a stage of `rft run`: the folder that the run was started in, where the
user's own functions are."""
