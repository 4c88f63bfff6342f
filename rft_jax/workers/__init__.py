"""Child processes that work on requests, with deadlines, and their pool."""
