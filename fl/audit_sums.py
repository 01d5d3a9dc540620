"""The audit of one round's sums: which were opened, that they open the commitments, and what stands behind them."""

import numpy as np
from numpy.typing import NDArray

from chain_adapter import LocalStore
from chain_adapter.events import AggregateRecorded
from fl.aggregate.paillier import paillier_parameters
from fl.aggregate.shares import audit_statements
from fl.audit_findings import Audit
from fl.record import RoundRecord
from fl.round import judge_sums
from fl.setting import RoundSetting
from fl.sums import CallJudge, SumCall
from fl.update import SignedUpdate
from he.aggregate import Record
from he.aggregate import audit as audit_decryption
from mpc.errors import DecodeError, FaultyParty
from zk.field import R
from zk.statements import UpdateProof

__all__ = ["SumAuditor", "total_of"]


class SumAuditor:
    """The sums that `record` tells of. Findings go to `audit`; nothing is raised for a sum that does not hold."""

    def __init__(self, audit: Audit, store: LocalStore, setting: RoundSetting, record: RoundRecord) -> None:
        self._audit, self._store, self._setting, self._record = audit, store, setting, record
        self._number = setting.number

    def _require(self, holds: bool, aspect: str, what: str, client: int | None = None) -> None:
        self._audit.require(holds, aspect, what, self._number, client)

    def opened(self, leaves: dict[int, str]) -> None:
        """Only sums were opened that clients allow, and who is accused of lying in them is whom they accuse.

        Whether a sum that does not count matched is the coordinator's word; see `fl.audit`.
        """
        record = self._record
        fewest = self._setting.plan.terms.aggregation.min_clients
        judge, beacon = CallJudge(fewest), _beacon(record.beacon)
        for entry in record.opened:
            call = SumCall(entry.stage, entry.place, entry.group, beacon)
            allowed = len(entry.included) >= call.fewest(fewest) and set(entry.included) <= set(entry.group)
            try:
                judge.admit(call)
            except FaultyParty:
                allowed = False
            if entry.stage == 0:
                allowed = allowed and entry.group == tuple(leaves)
                judge.settle(entry.included)
            self._require(allowed, "sum", f"place {entry.place} of stage {entry.stage} must not be opened")
        suspects, convicted = judge_sums(record.opened)
        for client in record.clients:
            accused = client.status == "rejected" and client.reason == "mismatch"
            same = accused == (client.client in suspects)
            if accused:
                same = same and client.certain == (client.client in convicted)
            self._require(
                same, "sum", "what the opened sums say about it is not what is recorded", client.client
            )
        if record.included:
            self._require(
                record.stage is not None, "sum", "no opened sums cover exactly the clients it counts"
            )

    def counted(self, aggregate: AggregateRecorded, updates: dict[int, SignedUpdate]) -> None:
        """The commitments of whom the record counts add up to the ledger's, and the recorded sum opens them."""
        record = self._record
        statement, members = self._setting.statement, self._setting.members
        samples = sum(members[client].samples for client in record.included if client in members)
        self._require(
            record.total_samples == samples == aggregate.total_samples, "sum", "the sample counts differ"
        )
        self._require(
            record.commitment_sum == aggregate.commitment_sum.hex(),
            "sum",
            "the sum of commitments is not the ledger's",
        )
        if not set(record.included) <= set(updates):
            return  # a message is missing or changed, which is a failure already
        with self._audit.guarded("sum", self._number, None, "the opened sum"):
            combined = statement.combine(
                [UpdateProof.from_bytes(updates[c].proof).commitment for c in record.included]
            )
            self._require(
                combined == aggregate.commitment_sum,
                "sum",
                "the commitments do not add up to the ledger's sum",
            )
            statement.open_sum(
                self._setting.key,
                combined,
                total_of(self._store.get(record.total)),
                _scalars(record.blinding),
            )

    def evidence(self) -> None:
        """Under Paillier: every ciphertext, addition and partial decryption behind the sums that count. Under shares:
        what every server signed, and that it adds up."""
        record, setting = self._record, self._setting
        total, counted = np.zeros(setting.statement.dim, dtype=np.int64), set[int]()
        for entry in record.opened:
            with self._audit.guarded(
                "sum", self._number, None, f"the decrypted sum over {len(entry.group)} clients"
            ):
                call = SumCall(entry.stage, entry.place, entry.group, _beacon(record.beacon))
                summed, signed = self._behind(call, self._store.get(entry.evidence))
                self._require(
                    summed == entry.included, "sum", "the committee decrypted a sum of other clients"
                )
                if entry.matches and entry.stage == record.stage:
                    total, counted = total + signed, counted | set(summed)
        same = counted == set(record.included) and np.array_equal(
            total, total_of(self._store.get(record.total))
        )
        self._require(same, "sum", "the opened sum is not what the committee decrypted")

    def _behind(self, call: SumCall, evidence: bytes) -> tuple[tuple[int, ...], NDArray[np.int64]]:
        """Over whom and what the sum is that this evidence shows. Raises: DecodeError, ProtocolError when it shows none."""
        setting = self._setting
        if setting.plan.terms.aggregation.mode == "shares":
            summed = audit_statements(setting, call, evidence)
            return summed.included, summed.total
        record = Record.from_bytes(evidence)
        included = audit_decryption(record, paillier_parameters(setting, call), setting.identities)
        return included, np.array(record.total)


def total_of(data: bytes) -> NDArray[np.int64]:
    """An opened sum. Raises: DecodeError unless it is whole 64-bit integers."""
    if len(data) % 8:
        raise DecodeError("an opened sum is a whole number of 64-bit integers")
    return np.frombuffer(data, dtype="<i8").astype(np.int64)


def _scalars(texts: tuple[str, ...]) -> list[int]:
    try:
        scalars = [int(text) for text in texts]
    except ValueError as error:
        raise DecodeError("a blinding is a decimal number") from error
    if [str(scalar % R) for scalar in scalars] != list(texts):
        raise DecodeError("a blinding is a reduced decimal number")
    return scalars


def _beacon(text: str) -> bytes:
    try:
        beacon = bytes.fromhex(text)
    except ValueError as error:
        raise DecodeError("a beacon is hexadecimal") from error
    if len(beacon) != 32 or beacon.hex() != text:
        raise DecodeError("a beacon is 32 bytes in lower-case hexadecimal")
    return beacon
