"""Published mechanisms kept for comparison, each with what is known against it.

    proof_of_learning   a chain of checkpoints that validators re-execute (spoofed: see `spoof`)
    spoof               the published attack on it

Nothing else in `fl` relies on these: what a round rests on is `zk.statements`.
"""
