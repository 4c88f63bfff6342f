"""The LLaMA model: its configuration, forward pass, key-value cache and low-rank adapters.

Axes of arrays, as annotations name them here and in the packages above:

    B   rows of a batch (while decoding, its slots)
    T   new tokens of a row, in training all of its tokens
    S   stored columns that new tokens attend to
    P   tokens of a prompt, padded
    M   samples of a step of policy training
    R   rows of prompts that are prefilled together, or rows of the cache that hold them
    L   layers, stacked
    V   vocabulary
    D   hidden width: the residual stream
    E   hidden width of a teacher
    F   feed-forward width
    H   query heads
    N   key-value heads; each serves H / N query heads
    K   head width
    Q   queries of one key-value head: T · H / N

`slots`, `groups`, `prompts`, `task` and `columns` are sizes of the decoding state, explained in
`rft_jax.sampling.geometry.Geometry`; `queue` is the length of a slot's queue of forced tokens
(`rft_jax.sampling.forcing`). A starred name stands for any number of axes.
"""
