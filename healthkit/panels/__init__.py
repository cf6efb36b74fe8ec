"""Panels of a notebook: controls, and the chart, finding and orders that follow them; charts drawn with no network.

The only room with ipywidgets and anywidget. What is shown comes from `questions`, plain functions over a desk; the
controls only ask them.
"""

from healthkit.panels.notebook import setup
from healthkit.panels.panel import Panel
from healthkit.panels.portfolio_panel import PortfolioPanel, portfolio
from healthkit.panels.progress import open_desk
from healthkit.panels.what_changed_model import Change, changed
from healthkit.panels.what_changed_panel import WhatChanged, what_changed
from healthkit.panels.what_if_model import Try, tried
from healthkit.panels.what_if_panel import WhatIfPanel, what_if
from healthkit.panels.where_i_stand_model import Answer, Question, QuestionError, answer, first_question
from healthkit.panels.where_i_stand_panel import WhereIStand, where_i_stand

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
