"""Who is paid how much for a round, and who takes part at that price.

    what a client was worth    values    leave-one-out, Shapley exact and sampled, estimates from sums of groups
    worth to whom              quality   a model's gain on public records, as a game between clients
    whole units of money       pay       exact, never more than the budget
    all of it together         rules     samples, leave-one-out, Shapley, groups: what each must see
    a simulation               participation

What the contract pays today is `fl.publish.reward`, by samples. The other rules say what they need to see, because under
secure aggregation nobody sees a single update.
"""

from fl.incentives.pay import split
from fl.incentives.rules import RULES, Rule, Sees

__all__ = ["RULES", "Rule", "Sees", "split"]
