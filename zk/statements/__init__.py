"""What clients prove about their updates.

norm_bound    entries and norm of a committed update are bounded
update_proof  the bytes of such a proof
cost          rows, sizes and times, before anything runs
"""

from zk.statements.cost import Cost
from zk.statements.norm_bound import NormBound
from zk.statements.sgd_step import SgdStep
from zk.statements.update_proof import UpdateProof

__all__ = ["Cost", "NormBound", "SgdStep", "UpdateProof"]
