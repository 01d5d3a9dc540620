"""Poseidon and MiMC in a circuit, many hashes at a time, equal to `zk.poseidon` and `zk.mimc`.

Rows a hash: Poseidon of n inputs 3 (8 (n + 1) + partial rounds), that is 243 for two; MiMC7 364; one MiMC Feistel 660.
"""

from collections.abc import Sequence

from mpc.errors import ParameterError
from zk.circuit import Circuit
from zk.linear import Linear
from zk.merge import weighted_sum
from zk.mimc import MIMC7_ROUNDS, SPONGE_ROUNDS, constants
from zk.poseidon import FULL_ROUNDS, MAX_INPUTS, parameters

__all__ = ["mimc7", "mimc7_hash", "mimc_sponge", "poseidon"]


def _same_length(values: Sequence[Linear], name: str) -> int:
    lengths = {value.n for value in values}
    if len(lengths) != 1:
        raise ParameterError(f"{name}: the inputs of a hash are vectors of one length")
    return lengths.pop()


def _fifth_power(circuit: Circuit, value: Linear, name: str) -> Linear:
    square = circuit.multiply(value, value, f"{name}.x2")
    fourth = circuit.multiply(square, square, f"{name}.x4")
    return circuit.multiply(fourth, value, f"{name}.x5")


def poseidon(circuit: Circuit, inputs: Sequence[Linear], name: str) -> Linear:
    """Hashes of 1 to 16 inputs each: entry k of the result hashes entry k of every input.

    Shapes: inputs of n entries each, result n.
    Raises: ParameterError for another number of inputs, or vectors of different lengths.
    """
    if not 1 <= len(inputs) <= MAX_INPUTS:
        raise ParameterError(f"{name}: Poseidon takes 1..{MAX_INPUTS} inputs, not {len(inputs)}")
    n = _same_length(inputs, name)
    one = Linear.constant(1, n)
    known = parameters(len(inputs) + 1)
    first_partial, first_late = FULL_ROUNDS // 2, len(known.constants) - FULL_ROUNDS // 2
    state = [Linear.constant(0, n), *inputs]
    for index, constants_row in enumerate(known.constants):
        state = [weighted_sum([(part, 1), (one, c)]) for part, c in zip(state, constants_row, strict=True)]
        boxed = 1 if first_partial <= index < first_late else len(state)
        for i in range(boxed):
            state[i] = _fifth_power(circuit, state[i], f"{name}.{index}.{i}")
        state = [weighted_sum(list(zip(state, line, strict=True))) for line in known.matrix]
    return state[0]


def mimc7(circuit: Circuit, value: Linear, key: Linear, name: str) -> Linear:
    """The keyed permutation x^7, 4 rows a round."""
    n = _same_length((value, key), name)
    one, current = Linear.constant(1, n), value
    for index, constant in enumerate(constants(b"mimc", MIMC7_ROUNDS)):
        t = weighted_sum([(current, 1), (key, 1), (one, constant)])
        square = circuit.multiply(t, t, f"{name}.{index}.x2")
        fourth = circuit.multiply(square, square, f"{name}.{index}.x4")
        sixth = circuit.multiply(fourth, square, f"{name}.{index}.x6")
        current = circuit.multiply(sixth, t, f"{name}.{index}.x7")
    return weighted_sum([(current, 1), (key, 1)])


def mimc7_hash(circuit: Circuit, values: Sequence[Linear], name: str, *, key: Linear | None = None) -> Linear:
    """Miyaguchi-Preneel over `mimc7`."""
    state = key if key is not None else Linear.constant(0, _same_length(values, name))
    for index, value in enumerate(values):
        hashed = mimc7(circuit, value, state, f"{name}.{index}")
        state = weighted_sum([(state, 1), (value, 1), (hashed, 1)])
    return state


def _feistel(circuit: Circuit, left: Linear, right: Linear, key: Linear, name: str) -> tuple[Linear, Linear]:
    one = Linear.constant(1, left.n)
    for index, constant in enumerate(constants(b"mimcsponge", SPONGE_ROUNDS)):
        t = weighted_sum([(left, 1), (key, 1), (one, constant)])
        power = _fifth_power(circuit, t, f"{name}.{index}")
        left, right = weighted_sum([(right, 1), (power, 1)]), left
    return right, left


def mimc_sponge(
    circuit: Circuit, values: Sequence[Linear], name: str, *, key: Linear | None = None, outputs: int = 1
) -> list[Linear]:
    """The sponge of `zk.mimc.mimc_sponge`.

    Raises: ParameterError without an input or an output.
    """
    if outputs < 1 or not values:
        raise ParameterError(f"{name}: a sponge takes at least one input and gives at least one output")
    zero = Linear.constant(0, _same_length(values, name))
    secret = zero if key is None else key
    rate, capacity = zero, zero
    for index, value in enumerate(values):
        absorbed = weighted_sum([(rate, 1), (value, 1)])
        rate, capacity = _feistel(circuit, absorbed, capacity, secret, f"{name}.in.{index}")
    squeezed = [rate]
    while len(squeezed) < outputs:
        rate, capacity = _feistel(circuit, rate, capacity, secret, f"{name}.out.{len(squeezed)}")
        squeezed.append(rate)
    return squeezed
