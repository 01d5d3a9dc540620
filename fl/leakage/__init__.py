"""What an attacker learns from what federated learning publishes, measured.

    what is seen             seen: one update or a sum, through the codec, clipped and noised
    who is attacked          victims
    reconstruct records      analytic  inversion
    find members             membership  worlds
    score it                 metrics  roc  verdict
    show it                  pictures

Attacks need the truth only to be scored. Nothing here breaks cryptography: a sum that was masked correctly is attacked as
a sum.
"""

from fl.leakage.verdict import Risk, Verdict, judge

__all__ = ["Risk", "Verdict", "judge"]
