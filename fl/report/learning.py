"""Accuracy and loss over the rounds."""

from fl.report.charts import line_chart
from fl.report.markup import Html, tag
from fl.report.phrases import number, percent
from fl.report.read import Run
from fl.report.tables import nothing, section

__all__ = ["learning"]


def learning(run: Run) -> Html:
    lead = "The shared model on data that no client trains on, after each round."
    if not run.rounds:
        return section("learning", "Learning", lead, nothing("No round is finished yet."))
    idle = [place for place, r in enumerate(run.rounds) if not r.summed]
    if idle:
        lead += " A ring marks a round in which nothing was summed: the model stayed as it was."
    accuracy = [r.accuracy for r in run.rounds]
    loss = [r.loss for r in run.rounds]
    # at least four points of span: the axis' labels stay apart when accuracy hardly moves
    floor = max(0.0, min(*accuracy, accuracy[-1] - 0.04))
    charts = tag(
        "div",
        line_chart("Accuracy", "accuracy", accuracy, percent, low=floor, high=1.0, hollow=idle),
        line_chart("Loss (cross-entropy)", "loss", loss, number, low=min(0.0, *loss), hollow=idle),
        class_="pair",
    )
    return section("learning", "Learning", lead, charts)
