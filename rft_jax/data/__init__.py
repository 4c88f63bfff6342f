"""Problems and training examples by file or name, and seqio tasks (the module with TensorFlow)."""
