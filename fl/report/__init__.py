"""The report of a run: one HTML page that needs nothing but itself.

    write_report(directory) -> directory/report.html
      fields    JSON values by type, refused by file and field
      read      what the run's files hold, typed
      markup    elements whose text is escaped by construction
      phrases   numbers, sizes and hashes as a person reads them
      tables    tables, definition lists, any JSON value
      charts    lines and stacked bars as inline SVG
      outcome, learning, members, search, cost, receipt, ledger    the sections
      page      the document around them, report.css

The page has no script and asks for nothing over the network: its content security policy allows its own style sheet
and nothing else. The same directory always gives the same bytes.
"""

from fl.report.page import render_report, write_report
from fl.report.read import ReportError

__all__ = ["ReportError", "render_report", "write_report"]
