"""The file that describes one party of one run.

    protocol = "sum"                        # or module:function, with the module beside this file
    me = 1
    session = "Monday's sum"                # the same for all, and never the same twice
    identity = "alice"                      # what init made; paths are relative to this file
    listen = "127.0.0.1:9001"
    deadline = 30                           # seconds a peer may take for its part of a round

    [input]
    value = 42

    [[peers]]
    index = 2
    address = "127.0.0.1:9002"
    certificate = "bob.pem"

With `relay = 0` all messages go by way of party 0, sealed; party 0's own file says `protocol = "relay"`.
"""

import tomllib
from pathlib import Path
from typing import Any

from mpc.errors import ParameterError
from mpc.prg import Stream
from mpc.protocols.named import find
from mpc.protocols.relay import SealingKey, relay, sealing_public, through_relay
from mpc.runtime.certificates import Identity, load_certificate
from mpc.runtime.rounds import TlsResult
from mpc.runtime.tls import Peer, run_tls
from mpc.runtime.types import Protocol

__all__ = ["run_file"]

_KEYS: dict[str, type | tuple[type, ...]] = {
    "protocol": str,
    "me": int,
    "session": str,
    "identity": str,
    "listen": str,
    "relay": int,
    "deadline": (int, float),
    "join_deadline": (int, float),
    "input": dict,
    "peers": list,
}
_OPTIONAL = {"relay", "deadline", "join_deadline", "input"}
_PEER_KEYS = {"index": int, "address": str, "certificate": str}


def run_file(file: Path, protocol_name: str | None = None) -> TlsResult[Any]:
    """Run the party a file describes; `protocol_name` says the protocol where the file leaves it out.

    Raises: ParameterError, in one sentence, for a file that cannot work or names another protocol; what the
        run raises.
    """
    settings = _load(file, protocol_name)
    here = file.parent
    me = settings["me"]
    peers = {peer["index"]: _peer(peer, here) for peer in settings["peers"]}
    if len(peers) != len(settings["peers"]):
        raise ParameterError(f"{file}: two peers have the same index")
    identity = Identity.load(here / settings["identity"])
    protocol, session = _protocol(settings, here, me, identity, peers)
    host, port = _address(settings["listen"])
    return run_tls(
        protocol,
        me=me,
        identity=identity,
        peers=peers if me == (via := settings.get("relay", me)) else {via: peers[via]},
        session=session,
        host=host,
        port=port,
        deadline=float(settings.get("deadline", 30)),
        join_deadline=float(settings.get("join_deadline", 60)),
    )


def _protocol(
    settings: dict[str, Any], here: Path, me: int, identity: Identity, peers: dict[int, Peer]
) -> tuple[Protocol[Any], bytes]:
    """This party's protocol, and the session in which those it talks to run theirs.

    Two parties told different protocols or groups never meet, instead of misunderstanding each other.
    """
    name, via = settings["protocol"], settings.get("relay")
    if via is not None and via != me and via not in peers:
        raise ParameterError(f"the relay, party {via}, is none of the peers")
    if (name == "relay") != (via == me):
        raise ParameterError("a party whose number is `relay` runs the protocol 'relay', and no other does")
    parties = tuple(sorted({me, *peers} - {via}))
    if via == me:
        return relay(parties), repr((settings["session"], "relay", via, parties)).encode()
    inputs, randomness = settings.get("input", {}), Stream.from_os(b"eppml party")
    protocol = find(name, here.resolve())(me, parties, inputs, randomness)
    session = repr((settings["session"], name, parties)).encode()
    if via is None:
        return protocol, session
    sealed = through_relay(
        me,
        protocol,
        via=via,
        key=SealingKey.from_identity(identity),
        peers={index: sealing_public(peers[index].certificate) for index in parties if index != me},
        session=session,
    )
    return sealed, repr((settings["session"], "relay", via, parties)).encode()


def _load(file: Path, protocol_name: str | None = None) -> dict[str, Any]:
    try:
        settings = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ParameterError(f"{file} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ParameterError(f"{file} is no TOML file: {error}") from None
    if unknown := set(settings) - set(_KEYS):
        raise ParameterError(f"{file}: nothing here is called {', '.join(sorted(unknown))}")
    if protocol_name is not None and settings.setdefault("protocol", protocol_name) != protocol_name:
        raise ParameterError(f"{file}: its protocol is {settings['protocol']!r}, not {protocol_name!r}")
    for key, kind in _KEYS.items():
        if key not in settings and key not in _OPTIONAL:
            raise ParameterError(f"{file}: {key!r} is missing")
        if key in settings and (not isinstance(settings[key], kind) or isinstance(settings[key], bool)):
            raise ParameterError(f"{file}: {key!r} cannot be {settings[key]!r}")
    for peer in settings["peers"]:
        if not isinstance(peer, dict) or {k: type(v) for k, v in peer.items()} != _PEER_KEYS:
            raise ParameterError(f"{file}: a peer has an index, an address and a certificate")
    return settings


def _peer(peer: dict[str, Any], here: Path) -> Peer:
    host, port = _address(peer["address"])
    return Peer(load_certificate(here / peer["certificate"]), host, port)


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not (colon and host and port.isdecimal() and 0 < int(port) < 2**16):
        raise ParameterError(f"{text!r} is no address: want host:port")
    return host.strip("[]"), int(port)
