"""The report's page as a document: what it says, what it refuses, and that nothing in a file can become markup."""

import base64
import hashlib
import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_sample import change as change_file
from report_sample import cid, write_sample

from fl.report import ReportError, render_report, write_report
from fl.report.charts import Series, bar_chart, line_chart, nice_ticks
from fl.report.markup import join, tag
from fl.report.outcome import headline
from fl.report.phrases import data_size, duration, listing, number
from fl.report.read import read_run
from fl.report.tables import any_value
from mpc.errors import EppmlError

SECTIONS = ["outcome", "learning", "clients", "cost", "receipt", "ledger", "plan", "audit"]
ELEMENTS = set(
    "html head meta title link style body a nav div main header p b h1 h2 h3 strong small span em ul ol li section figure "
    "figcaption svg line text g rect path circle details summary table thead tbody tr th td dl dt dd code pre time footer "
    "progress".split()
)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_sample(tmp_path / "run")


def document(page: str) -> ElementTree.Element:
    """The page as a tree: our markup is also well-formed XML once its few void elements are closed."""
    closed = re.sub(r"<((?:meta|link)\b[^>]*)>", r"<\1/>", page.removeprefix("<!doctype html>"))
    apart = re.sub(r"</(?!a>|code>|style>)", " </", closed)  # words of neighbouring cells stay two words
    return ElementTree.fromstring(re.sub(r"(?<=<style>).*?(?=</style>)", "", apart, flags=re.S))


def words(element: ElementTree.Element) -> str:
    return " ".join("".join(element.itertext()).replace("\u00a0", " ").split())


def section(page: str, key: str) -> str:
    found = document(page).find(f".//*[@id='{key}']")
    assert found is not None
    return words(found)


def spoilt(value: Any, text: str, key: str = "") -> Any:
    """The JSON value with every string and every free key replaced, except those that the format itself fixes."""
    if isinstance(value, dict):
        free = key in ("contracts", "backends", "versions", "seconds", "gas", "training")
        return {(f"{text}{k}" if free else k): spoilt(v, text, k) for k, v in value.items()}
    if isinstance(value, list):
        return [spoilt(item, text, key) for item in value]
    return text if isinstance(value, str) and key != "status" else value


# what the page says


def test_headline_names_the_outcome_and_the_caught(run: Path) -> None:
    assert headline(read_run(run)).replace("\u00a0", " ") == (
        "14 clients trained one model to 88.7 % accuracy in 5 rounds; clients 3, 5, 7 and 11 were caught and excluded."
    )


def test_headline_without_cheaters(tmp_path: Path) -> None:
    page = render_report(write_sample(tmp_path / "run", cheats={}, drop=0.0))
    assert headline(read_run(tmp_path / "run")).endswith("in 5 rounds; nobody had to be rejected.")
    assert "Nobody was rejected." in section(page, "clients")
    assert "In every round the sum over everybody matched its commitments" in section(page, "clients")
    assert "planted" not in section(page, "outcome")


def test_run_in_progress(tmp_path: Path) -> None:
    directory = write_sample(tmp_path / "run", rounds=8, done=3, cheats={}, drop=0.0)
    page = render_report(directory)
    assert headline(read_run(directory)).startswith("After 3 of 8 rounds, 14 clients have brought")
    bar = document(page).find(".//progress")
    assert bar is not None and (bar.get("value"), bar.get("max")) == ("3", "8")
    assert "written when the last round is finished" in section(page, "receipt")


def test_run_that_has_not_begun(tmp_path: Path) -> None:
    page = render_report(write_sample(tmp_path / "run", done=0))
    assert "14 clients agreed on a plan of 5 rounds; none is finished yet." in section(page, "outcome")
    for key in ("learning", "clients", "cost"):
        assert "No round is finished yet." in section(page, key)


def test_round_in_which_nothing_was_summed(tmp_path: Path) -> None:
    directory = write_sample(tmp_path / "run", idle=frozenset({1}))
    page = render_report(directory)
    assert "A ring marks a round in which nothing was summed" in section(page, "learning")
    rings = document(page).findall(".//circle[@class='ring']")
    assert len(rings) == 2
    assert "Round 1: 64.4 %, nothing was summed" in section(page, "learning")


def test_every_rejection_stands_with_its_reason(run: Path) -> None:
    text = section(render_report(run), "clients")
    assert (
        "7 0 certain Sum differs from its commitment what it added to the sums is not what it committed to swap"
        in text
    )
    assert (
        "11 1 certain Proof does not hold the proof does not hold for this plan, round, client and bound replay"
        in text
    )


def test_suspects_are_told_from_the_convicted(run: Path) -> None:
    first = run / "rounds" / "0000.json"
    for client in (1, 8):
        for key, value in {"status": "rejected", "reason": "mismatch", "certain": False}.items():
            change_file(first, "record", "clients", client - 1, key, value=value)
    assert headline(read_run(run)).endswith("were caught and excluded, clients 1 and 8 fell under suspicion.")
    text = section(render_report(run), "clients")
    assert "1 0 suspect Sum differs from its commitment" in text
    assert "7 0 certain Sum differs from its commitment" in text
    assert "Client 7 is the only one not cleared in a sum that differs: certain." in text
    assert "No sum clears clients 1 and 8, and none convicts: suspect." in text
    assert "client 1, round 0: suspect" in {
        e.get("title", "").split(" (")[0] for e in document(render_report(run)).iter()
    }
    top = section(render_report(run), "outcome")
    assert "all were named; clients 1 and 8, honest, suspected as well." in top
    assert "rejected 4 for certain, 2 more suspected" in top


def test_planted_cheater_that_nobody_noticed_is_said(run: Path) -> None:
    change_file(
        run / "run.json", "cheats", value={"3": "oversize", "5": "forged", "7": "swap", "2": "replay"}
    )
    page = render_report(run)
    assert (
        "planted 4 cheaters to try its defences: 3 of them named; client 11, honest, rejected wrongly."
        in section(page, "outcome")
    )
    assert "Planted, but rejected in no round so far: client 2 (replay)." in section(page, "clients")
    assert re.search(r"11 1 certain .* honest", section(page, "clients"))


def test_sum_below_the_limit_is_marked(run: Path) -> None:
    assert "too few" not in section(render_report(run), "clients")
    change_file(run / "rounds" / "0000.json", "record", "opened", 1, "included", value=[1, 4])
    page = render_report(run)
    assert "2, too few" in section(page, "clients")
    assert "The smallest sum that anybody opened holds 2 updates." in section(page, "outcome")


def test_status_grid_has_a_cell_and_a_word_for_every_client_and_round(run: Path) -> None:
    grid = document(render_report(run)).find(".//table[@class='grid']")
    assert grid is not None
    shown = [cell.get("title") for cell in grid.iter("td") if cell.get("title")]
    parts = [(r.number, p) for r in read_run(run).rounds for p in r.clients]
    expected = sorted(f"client {p.client}, round {number}: {p.standing}" for number, p in parts)
    assert sorted(str(title).split(" (")[0] for title in shown) == expected
    for cell in grid.iter("td"):
        if title := cell.get("title"):
            assert words(cell) == title.split(": ")[1].split(" (")[0]


def test_costs_add_up(run: Path) -> None:
    rounds = read_run(run).rounds
    text = section(render_report(run), "cost")
    gas = sum(sum(r.gas.values()) for r in rounds)
    assert f"together {gas:,.0f} {gas / 5:,.0f} {gas / 5 / 14:,.0f}" in text
    sent = sum(r.traffic["sent_per_client"] for r in rounds) / 5
    assert f"sent by a client {sent / 1000:.2f} kB {sent / 2600:.2f} \u00d7" in text
    seconds = sum(sum(r.seconds.values()) for r in rounds) / 5
    assert f"Time by stage {seconds:.2f} s a round, on average" in text


def test_ledger_keeps_its_order_and_folds_claims(run: Path) -> None:
    timeline = document(render_report(run)).find(".//ol[@class='timeline']")
    assert timeline is not None
    events = read_run(run).ledger
    assert events is not None
    blocks = [int(b) for entry in timeline for b in re.findall(r"\bblocks? (\d+)", words(entry))]
    assert blocks == sorted(blocks)
    claims = sum(event.name == "RewardClaimed" for event in events.events)
    assert len(timeline) == len(events.events) - claims + 5
    rows = [row for table in timeline.iter("tbody") for row in table]
    assert len(rows) == claims


def test_gas_of_one_transaction_counts_once(run: Path) -> None:
    ledger = json.loads((run / "ledger.json").read_text())
    for event in ledger["events"]:
        event["tx"], event["gas"] = f"0x{event['round']}", 1000
    (run / "ledger.json").write_text(json.dumps(ledger))
    assert "6,000 gas" in section(render_report(run), "ledger")  # the plan's and one for each of five rounds


def test_receipt_says_what_was_insecure(run: Path) -> None:
    page = render_report(run)
    assert "Not secure as it ran. The privacy receipt gives 2 reasons." in section(page, "outcome")
    assert "Not secure as it ran The proving key comes from a single-party setup" in section(page, "receipt")
    for wanted in (
        "Groth16 over alt_bn128",
        "X25519",
        "coordinator commitments, proofs",
        "mcl",
        "AES-256-CTR",
        "2.13.0",
    ):
        assert wanted in section(page, "receipt")
    change_file(run / "receipt.json", "insecure", value=[])
    page = render_report(run)
    assert "Not secure" not in section(page, "outcome")
    assert "Nothing insecure was switched on in this run." in section(page, "receipt")


def test_epsilon_is_shown_when_it_was_spent(run: Path) -> None:
    change_file(run / "receipt.json", "privacy", value={"epsilon": 3.25, "statement": "after 5 rounds"})
    assert "\u03b5 = 3.25 \u00b7 after 5 rounds" in section(render_report(run), "receipt")


def test_plan_shows_every_term(run: Path) -> None:
    text = section(render_report(run), "plan")
    for wanted in (
        "learning rate 0.3",
        "min clients 3",
        "l2 clip 8",
        "alpha 0.5",
        "per round 1,000,000",
        "seed 1",
    ):
        assert wanted in text
    assert cid("key") in render_report(run), "the whole identifier is in a title"


def test_audit_is_explained(run: Path) -> None:
    assert "eppml audit RUN_DIR" in section(render_report(run), "audit")


# one document that needs nothing else


@pytest.mark.parametrize(
    "options", [{}, {"done": 0}, {"rounds": 6, "done": 2, "idle": frozenset({0, 1})}, {"rounds": 1}]
)
def test_page_is_self_contained(tmp_path: Path, options: dict[str, Any]) -> None:
    page = render_report(write_sample(tmp_path / "run", **options))
    tree = document(page)
    assert {element.tag for element in tree.iter()} <= ELEMENTS
    for element in tree.iter():
        assert not {"src", "style", "srcset", "action"} & set(element.keys())
        assert not [name for name in element.keys() if name.startswith("on")]
        assert element.get("href", "#").startswith("#") or element.get("href") == "data:,"
    assert not re.search(r"https?://|@import|url\(", page)
    assert [e.get("id") for e in tree.find(".//main") or []] == SECTIONS
    ids = [e.get("id") for e in tree.iter() if e.get("id")]
    assert len(ids) == len(set(ids))
    assert {e.get("href", "")[1:] for e in tree.iter("a")} <= set(ids)


def test_policy_allows_exactly_the_style_sheet(run: Path) -> None:
    page = render_report(run)
    style = re.search(r"<style>(.*)</style>", page, re.S)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    policy = document(page).find(".//meta[@http-equiv='Content-Security-Policy']")
    assert policy is not None
    assert policy.get("content", "").startswith(f"default-src 'none'; style-src 'sha256-{digest}'; ")
    assert "unsafe" not in policy.get("content", "")


def test_every_class_of_the_page_is_in_the_style_sheet(tmp_path: Path) -> None:
    style, used = "", set()
    for place, options in enumerate(
        [{}, {"cheats": {}, "drop": 0.0}, {"rounds": 8, "done": 3, "idle": frozenset({1})}]
    ):
        page = render_report(write_sample(tmp_path / str(place), **options))
        style = page[page.index("<style>") : page.index("</style>")]
        used |= {name for e in document(page).iter() for name in e.get("class", "").split()}
    plain = {"tick", "axis", "claim", "other"}  # drawn as their neighbours are
    assert {name for name in used if f".{name}" not in style} <= plain


def test_same_files_give_the_same_page_anywhere(tmp_path: Path) -> None:
    one = write_report(write_sample(tmp_path / "one"))
    other = write_report(write_sample(tmp_path / "elsewhere" / "other"))
    assert one.read_bytes() == other.read_bytes()
    assert one == tmp_path / "one" / "report.html"
    assert not list(one.parent.glob(".*"))


def test_large_run_stays_a_page_one_can_open(tmp_path: Path) -> None:
    page = render_report(write_sample(tmp_path / "run", clients=600, rounds=40, drop=0.02))
    assert len(page) < 12_000_000
    assert "are left out here" in section(page, "clients")


# attacks


@pytest.mark.parametrize(
    "attack",
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "' onmouseover='alert(1)",
        "</style></title></svg><script>alert(1)</script>",
        "]]><!--",
        "&lt;script&gt;",
        "javascript:alert(1)",
    ],
)
def test_no_string_of_any_file_becomes_markup(run: Path, attack: str) -> None:
    for path in run.rglob("*.json"):
        path.write_text(json.dumps(spoilt(json.loads(path.read_text()), attack)))
    change_file(run / "run.json", "cheats", value={"3": attack})
    tree = document(render_report(run))
    assert {element.tag for element in tree.iter()} <= ELEMENTS
    assert not [name for e in tree.iter() for name in e.keys() if name.startswith("on")]
    assert {e.get("href", "")[:1] for e in tree.iter("a")} == {"#"}
    assert words(tree).count(attack) > 50


@pytest.mark.parametrize("character", ["\u202e", "\u2066", "\x00", "\x1b", "\ud800", "\u200f"])
def test_characters_that_deceive_are_shown_as_what_they_are(run: Path, character: str) -> None:
    change_file(run / "rounds" / "0000.json", "record", "clients", 2, "detail", value=f"paid{character}diap")
    page = write_report(run).read_text(encoding="utf-8")
    assert character not in page
    assert f"paid\\u{ord(character):04x}diap" in page


def test_endless_text_is_cut(run: Path) -> None:
    change_file(run / "rounds" / "0000.json", "record", "clients", 2, "detail", value="x" * 1_000_000)
    assert len(render_report(run)) < 200_000


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_any_json_value_gives_sound_markup(value: Any) -> None:
    tree = ElementTree.fromstring(tag("main", any_value(value)).text)
    assert {element.tag for element in tree.iter()} <= ELEMENTS | {"main"}


@given(st.text(), st.text())
def test_text_comes_out_as_it_went_in(text: str, title: str) -> None:
    tree = ElementTree.fromstring(tag("p", text, title=title).text)
    shown = join(text).text
    assert ElementTree.fromstring(f"<p>{shown}</p>").text == tree.text
    if text.isprintable():
        assert (tree.text or "") == text
    if title.isprintable():
        assert tree.get("title") == title


# refusals


def test_directory_without_a_run(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="run.json cannot be read: No such file"):
        write_report(tmp_path)
    assert not list(tmp_path.iterdir())
    assert issubclass(ReportError, EppmlError)


@pytest.mark.parametrize(
    "data", ["", "{", "[]", "[" * 100_000, '"text"', "\x00", '{"a": 1' + "0" * 5000 + "}"]
)
def test_file_that_is_not_a_json_object(run: Path, data: str) -> None:
    (run / "receipt.json").write_text(data)
    with pytest.raises(ReportError, match="receipt.json"):
        write_report(run)
    assert not (run / "report.html").exists()


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("record", "round"), 3, "record of another round"),
        (("record", "round"), True, "round must be a whole number"),
        (("record", "accuracy"), float("nan"), "NaN is not a number"),
        (("record", "accuracy"), 90.4, "accuracy must be between 0 and 1"),
        (("record", "loss"), None, "loss must be a number"),
        (("record", "loss"), float("inf"), "Infinity is not a number"),
        (("record", "clients"), {}, "clients must be a list"),
        (("record", "clients", 0), "x", r"clients\[0\] must be a JSON object"),
        (("record", "clients", 0, "status"), "rewarded", "status must be one of"),
        (("record", "clients", 0, "certain"), 1, "certain must be true or false"),
        (("record", "clients", 0, "client"), "1", "client must be a whole number"),
        (("record", "opened", 0, "included"), [1, "2"], "included must be a list of whole numbers"),
        (("record", "opened", 0, "matches"), "yes", "matches must be true or false"),
        (("seconds", "prove"), -1, "seconds must be an object of numbers that are not negative"),
        (("gas", "claim"), "many", "gas must be an object of numbers"),
        (("bytes",), [1], "bytes must be an object of numbers"),
    ],
)
def test_wrong_value_is_refused_by_name(
    run: Path, keys: tuple[str | int, ...], value: Any, message: str
) -> None:
    change_file(run / "rounds" / "0000.json", *keys, value=value)
    with pytest.raises(ReportError, match=message):
        render_report(run)


@pytest.mark.parametrize("members", [None, {}, [[1, 2]], [["a", "b", "3"]], ["abc"]])
def test_plan_with_other_members_is_refused(run: Path, members: Any) -> None:
    change_file(run / "plan.json", "members", value=members)
    with pytest.raises(ReportError, match="plan.json: members must be"):
        render_report(run)


def test_page_that_cannot_be_written(run: Path) -> None:
    (run / "report.html").mkdir()
    with pytest.raises(ReportError, match="cannot write"):
        write_report(run)
    assert not list(run.glob(".*"))


# charts


finite = st.floats(min_value=-1e25, max_value=1e25, allow_nan=False)


@given(finite, finite)
def test_ticks_are_few_even_and_cover(one: float, other: float) -> None:
    low, high = sorted((one, other))
    ticks = nice_ticks(low, high)
    slack = 1e-6 * max(abs(low), abs(high), 1e-6)
    assert ticks[0] <= low + slack and ticks[-1] >= high - slack
    assert 2 <= len(ticks) <= 7
    steps = [b - a for a, b in zip(ticks, ticks[1:], strict=False)]
    assert min(steps) > 0 and max(steps) <= 1.001 * min(steps) + 1e-12


@given(st.lists(st.floats(min_value=0, max_value=1e6), min_size=1, max_size=8))
def test_bars_are_as_high_as_their_values(values: list[float]) -> None:
    series = [Series("one", "c0", tuple(values)), Series("two", "c1", tuple(2 * v for v in values))]
    tree = ElementTree.fromstring(bar_chart("Bars", None, series, number).text)
    for index, slot in enumerate(tree.findall(".//g[@class='slot']")):
        heights = [float(bar.get("height", 0)) for bar in slot.findall("rect")[1:]]
        if len(heights) == 2 and values[index] > 0.01 * max(values):
            assert heights[1] == pytest.approx(2 * heights[0], abs=0.02)
            tops = [float(bar.get("y", 0)) for bar in slot.findall("rect")[1:]]
            assert tops[1] + heights[1] == pytest.approx(tops[0], abs=0.02)  # the second stands on the first
    tallest = max(float(r.get("height", 0)) for r in tree.findall(".//g[@class='slot']/rect"))
    assert tallest <= 192.01


def test_line_goes_through_its_values() -> None:
    tree = ElementTree.fromstring(line_chart("Line", "loss", [0.0, 1.0, 0.5], number, low=0.0).text)
    heights = [float(dot.get("cy", 0)) for dot in tree.findall(".//circle")]
    assert heights[0] > heights[2] > heights[1]
    assert heights[2] == pytest.approx((heights[0] + heights[1]) / 2)
    assert [words(t) for t in tree.findall(".//g/title")] == ["Round 0: 0", "Round 1: 1.00", "Round 2: 0.500"]


@pytest.mark.parametrize("values", [[0.0], [1.0, 1.0, 1.0], [1e-320, 0.0], [1e25, 1e25], [0.5] * 500])
def test_degenerate_lines_are_drawn(values: list[float]) -> None:
    page = line_chart("Line", "loss", values, number, low=min(0.0, *values, 0.0)).text
    assert "nan" not in page and "inf" not in page
    ElementTree.fromstring(page)


# phrases


def test_phrases_use_the_unit_that_suits() -> None:
    said = [duration(0), duration(0.0123), duration(0.0999), duration(5.1), duration(119), duration(3600)]
    assert [s.replace("\u00a0", " ") for s in said] == [
        "0 s",
        "12.3 ms",
        "0.100 s",
        "5.10 s",
        "119 s",
        "60.0 min",
    ]
    sizes = [data_size(0), data_size(612), data_size(4711), data_size(2.5e6), data_size(1e9)]
    assert [s.replace("\u00a0", " ") for s in sizes] == [
        "0 bytes",
        "612 bytes",
        "4.71 kB",
        "2.50 MB",
        "1.00 GB",
    ]
    assert [listing(w) for w in ([], ["1"], ["1", "2"], ["1", "2", "3"])] == [
        "",
        "1",
        "1 and 2",
        "1, 2 and 3",
    ]
