"""Oblivious transfer: two parties make their own correlated randomness.

    base         128 transfers from X25519            (edwards: the few point additions it needs)
    extension    millions from those 128, checked     (hash: the fixed-key AES hash with tweaks)
    correlated   transferred: a source of triples for `mpc.engine.Additive` between two parties

A transfer: the sender has two pads, the receiver gets the one it chooses, and neither learns more.
"""

from mpc.ot.base import receive_keys, send_keys
from mpc.ot.correlated import transferred
from mpc.ot.extension import Receiver, Sender

__all__ = ["Receiver", "Sender", "receive_keys", "send_keys", "transferred"]
