"""`rft evaluate`: accuracy, maj@k and pass@k with intervals, and paired comparisons."""
