"""provisional"""

from fl.plan import Terms


def participants(terms: Terms, number: int) -> tuple[int, ...]:
    return tuple(range(1, terms.clients + 1))


def staleness(terms: Terms, number: int, client: int) -> int:
    return 0
