"""On-policy training on verified rewards (`rft policy`): objective, rewards, rollouts, loop."""
