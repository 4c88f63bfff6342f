"""Problems and training examples by file or name, and seqio tasks (the package with TensorFlow)."""
