"""Training (`rft train`): token arrays, packing, batches, the train step and its loop."""
