"""The five families of stories. Each module has one function

    draw(rng, operations) -> (question, tree) | None

None is a draw whose numbers do not fit; the caller draws again.
"""
