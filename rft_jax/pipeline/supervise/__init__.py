"""The child processes of `rft run`, on one host or several: order, progress, stops and failures."""
