"""Panels of a notebook: controls, and the chart, finding and orders that follow them; charts drawn with no network.

The only room with ipywidgets and anywidget. What is shown comes from `questions`, plain functions over a desk; the
controls only ask them.
"""

from healthkit.widgets.changed import WhatChanged, what_changed
from healthkit.widgets.changes import Change, changed
from healthkit.widgets.notebook import setup
from healthkit.widgets.panel import Panel
from healthkit.widgets.portfolio import PortfolioPanel, portfolio
from healthkit.widgets.questions import Answer, Question, QuestionError, answer, first_question
from healthkit.widgets.stand import WhereIStand, where_i_stand
from healthkit.widgets.tries import Try, tried
from healthkit.widgets.trying import WhatIfPanel, what_if
from healthkit.widgets.waiting import open_desk

__all__ = [
    "Answer",
    "Change",
    "Panel",
    "PortfolioPanel",
    "Question",
    "QuestionError",
    "Try",
    "WhatChanged",
    "WhatIfPanel",
    "WhereIStand",
    "answer",
    "changed",
    "first_question",
    "open_desk",
    "portfolio",
    "setup",
    "tried",
    "what_changed",
    "what_if",
    "where_i_stand",
]
