"""What clients prove about their updates.

norm_bound      entries and norm of a committed update are bounded
sgd_step        a committed update is one step of gradient descent on a committed minibatch
sgd_arithmetic  the integers of such a step, computed plainly;  sgd_circuit  the rows that prove them
additive        commitments that add up
update_proof    the bytes of a proof
cost            rows, sizes and times, before anything runs
"""

from zk.statements.cost import Cost
from zk.statements.norm_bound import NormBound
from zk.statements.sgd_step import SgdStep
from zk.statements.update_proof import UpdateProof

__all__ = ["Cost", "NormBound", "SgdStep", "UpdateProof"]
