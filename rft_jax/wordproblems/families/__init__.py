"""The five families of stories. Each module has one function

    draw(rng, operations) -> (question, tree) | None

None: the drawn numbers are out of bounds; the caller draws again.
"""
