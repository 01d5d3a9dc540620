"""The top of the page: what came of the run in one sentence, its main numbers, and what was insecure about it."""

from fl.report.markup import Content, Html, join, tag
from fl.report.phrases import count, data_size, duration, listing, number, percent, plural, times
from fl.report.read import Run

__all__ = ["headline", "outcome"]

_MOST_NAMED = 4


def headline(run: Run) -> str:
    """The outcome in one sentence."""
    clients = plural(run.clients, "client")
    if not run.rounds:
        return f"{clients} agreed on a plan of {plural(run.planned_rounds, 'round')}; none is finished yet."
    reached = percent(run.rounds[-1].accuracy)
    done = plural(len(run.rounds), "round")
    if run.finished:
        return f"{clients} trained one model to {reached} accuracy in {done}; {_caught(run)}."
    return (
        f"After {len(run.rounds)} of {plural(run.planned_rounds, 'round')}, {clients} have brought one model "
        f"to {reached} accuracy; {_caught(run)}."
    )


def _caught(run: Run) -> str:
    certain, suspects = _accused(run)
    phrases = []
    if certain:
        phrases.append(f"{_named(certain)} {'was' if len(certain) == 1 else 'were'} caught and excluded")
    if suspects:
        phrases.append(f"{_named(suspects)} fell under suspicion")
    return ", ".join(phrases) or "nobody had to be rejected"


def _accused(run: Run) -> tuple[list[int], list[int]]:
    """Who was rejected for certain, and who was only ever suspected."""
    certain = {part.client for _, part in run.rejections if part.certain}
    suspects = {part.client for _, part in run.rejections} - certain
    return sorted(certain), sorted(suspects)


def _named(clients: list[int]) -> str:
    if len(clients) > _MOST_NAMED:
        return plural(len(clients), "client")
    return f"client{'' if len(clients) == 1 else 's'} {listing([str(c) for c in clients])}"


def outcome(run: Run) -> Html:
    return tag(
        "header",
        tag("p", "Training report \u00b7 ", tag("b", run.name), class_="eyebrow"),
        tag("h1", headline(run)),
        tag("p", _lead(run), class_="lead"),
        _progress(run),
        _insecure(run),
        _tiles(run) if run.rounds else None,
        id="outcome",
    )


def _lead(run: Run) -> str:
    sentences = []
    if run.cheats:
        sentences.append(_trial(run))
    smallest = run.smallest_sum
    if smallest is not None:
        sentences.append(f"The smallest sum that anybody opened holds {plural(smallest, 'update')}.")
    if run.drop:
        sentences.append(f"Clients vanished with a chance of {percent(run.drop)} a round, on purpose.")
    return " ".join(sentences)


def _trial(run: Run) -> str:
    """What the defences made of the planted cheaters, and of the honest."""
    certain, suspects = _accused(run)
    found = [client for client in certain if client in run.cheats]
    named = "all were named" if len(found) == len(run.cheats) else f"{len(found)} of them named"
    wronged = [client for client in certain if client not in run.cheats]
    doubted = [client for client in suspects if client not in run.cheats]
    besides = f"; {_named(wronged)}, honest, rejected wrongly" if wronged else ""
    besides += f"; {_named(doubted)}, honest, suspected as well" if doubted else ""
    return f"This run planted {plural(len(run.cheats), 'cheater')} to try its defences: {named}{besides}."


def _progress(run: Run) -> Html | None:
    if run.finished:
        return None
    done, planned = len(run.rounds), run.planned_rounds
    bar = tag("progress", value=done, max=planned, aria_label="Rounds finished")
    return tag(
        "p", bar, f"{done} of {plural(planned, 'round')} finished; this page shows those.", class_="progress"
    )


def _insecure(run: Run) -> Html | None:
    if run.receipt is None or not run.receipt.insecure:
        return None
    reasons = tag("a", plural(len(run.receipt.insecure), "reason"), href="#receipt")
    text = join(tag("strong", "Not secure as it ran."), " The privacy receipt gives ", reasons, ".")
    return tag("p", text, class_="callout insecure", role="note")


def _tiles(run: Run) -> Html:
    last, rounds = run.rounds[-1], run.rounds
    first = rounds[0]
    sent = [r.traffic["sent_per_client"] for r in rounds if "sent_per_client" in r.traffic]
    plain = [r.traffic["float32_update"] for r in rounds if r.traffic.get("float32_update")]
    gas = sum(sum(r.gas.values()) for r in rounds)
    seconds = sum(sum(r.seconds.values()) for r in rounds)
    certain, suspects = _accused(run)
    tiles: list[tuple[str, Content, str]] = [
        ("accuracy", percent(last.accuracy), f"{percent(first.accuracy)} after round\u00a00"),
        ("loss", number(last.loss), f"{number(first.loss)} after round\u00a00"),
        (
            "in the last sum",
            f"{sum(c.status == 'included' for c in last.clients)} of {run.clients}",
            "clients",
        ),
        (
            "rejected",
            str(len(certain)),
            f"for certain, {len(suspects)} more suspected" if suspects else "clients, in all rounds",
        ),
        ("seconds a round", duration(seconds / len(rounds)), "all clients simulated in turn"),
    ]
    if sent:
        mean = sum(sent) / len(sent)
        against = f"a round; {times(mean / (sum(plain) / len(plain)))} float32" if plain else "a round"
        tiles.append(("sent per client", data_size(mean), against))
    if gas:
        tiles.append(
            ("gas per client", count(gas / run.clients / len(rounds)), f"a round; {count(gas)} in all")
        )
    return tag(
        "ul",
        *(
            tag("li", tag("span", name), tag("strong", value), tag("small", note))
            for name, value, note in tiles
        ),
        class_="tiles",
    )
