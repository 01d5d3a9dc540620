"""The reproducibility suite: the papers' table, measured with the cryptography on.

    cell         what is measured, under which conditions, and what came out
    runs, costs  cells that are whole audited runs
    privacy, robustness, leakage, incentives, scale    experiments that give rows of numbers
    sizes        which cells make up smoke, mnist, cifar10 and all
    runner       measures cell after cell, keeps each result, goes on where it was left
    papers       the papers' figures, and which of ours answers them
    table, page, figures    Markdown, HTML, pictures
    cli          the command

Importing this package imports neither torch nor anything else that is heavy.
"""
