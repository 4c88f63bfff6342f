"""The families of stories: five whose answer is a number, and `owning`, whose answer is a name.

Each module has one function

    draw(rng, operations) -> (question, tree) | None

None: the drawn numbers are out of bounds; the caller draws again.
"""
