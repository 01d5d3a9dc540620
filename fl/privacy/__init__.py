"""Differential privacy: integer noise in shares, what it costs, and who has spent how much.

    what is promised         terms  guarantee
    how much noise           noise: sensitivity, a client's share, the room and the norm bound
    where noise comes from   discrete_gaussian  skellam  discrete_laplace, over inversion; exact is their slow twin
    what happened, its cost  events  accountant
    who has spent what       budget
    one record's gradient    gradients
    inside one client        dpsgd: on a client's own batches, for those who trust nobody's sums

A plan's `PrivacyTerms` are resolved once (`resolve` finds the noise multiplier); `Noise.of` turns them into integers; a
client adds `Noise.add` to its encoded update before it commits; an auditor recomputes epsilon with `check`.
"""

from fl.privacy.accountant import epsilon_of, resolve
from fl.privacy.budget import Budget, BudgetExceeded, check
from fl.privacy.guarantee import Guarantee
from fl.privacy.noise import Noise, NoiseOverflow, add_noise, noisy_l2_bound
from fl.privacy.terms import PrivacyTerms

__all__ = [
    "Budget",
    "BudgetExceeded",
    "Guarantee",
    "Noise",
    "NoiseOverflow",
    "PrivacyTerms",
    "add_noise",
    "check",
    "epsilon_of",
    "noisy_l2_bound",
    "resolve",
]
