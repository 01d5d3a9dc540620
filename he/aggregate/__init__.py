"""Aggregation under a committee's key: clients encrypt, a coordinator adds, the committee decrypts the sum.

    parameters   who sums what, for whom, in which session
    client       one client's side: one message
    coordinator  party 0's side
    committee    a member's side
    messages     every message as canonical bytes, and the checks everyone repeats
    record       what is kept, and the audit of it by a stranger

Four rounds:

    1  client i      -> coordinator   ciphertexts, proof of plaintext knowledge, signature
    2  coordinator   -> members       all good uploads
    3  member        -> members       signature on the list of uploads (and to the coordinator)
    4  member        -> coordinator   partial decryptions of the sums, with a proof

Members repeat every check and the addition themselves, as a coordinator may be corrupt: it must not get one
client's vector decrypted under the name of a sum (so they count signed uploads), nor two sums that differ by
one client (so they agree on the list first and answer once a session), nor a sum that holds a copy of
somebody's vector (so clients prove that they know their plaintexts, bound to their names).
"""

from he.aggregate.client import client, make_upload
from he.aggregate.committee import member
from he.aggregate.coordinator import Outcome, coordinator
from he.aggregate.parameters import COORDINATOR, Parameters
from he.aggregate.record import Record, audit

__all__ = [
    "COORDINATOR",
    "Outcome",
    "Parameters",
    "Record",
    "audit",
    "client",
    "coordinator",
    "make_upload",
    "member",
]
