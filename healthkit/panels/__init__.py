"""The notebook panels: controls with a chart, a finding and a list of orders, drawn without a network.

The only package that imports ipywidgets and anywidget. Each panel has a `*_model` module of plain functions over a
workspace, which compute and render the answer; the panel module only connects the controls to them.
"""

from healthkit.panels.notebook import setup
from healthkit.panels.panel import Panel
from healthkit.panels.portfolio_panel import PortfolioPanel, portfolio
from healthkit.panels.progress import open_workspace
from healthkit.panels.what_changed_model import RateChange, explain_change
from healthkit.panels.what_changed_panel import WhatChangedPanel, what_changed
from healthkit.panels.what_if_model import WhatIfAnswer, answer_what_if
from healthkit.panels.what_if_panel import WhatIfPanel, what_if
from healthkit.panels.where_i_stand_model import Answer, Question, QuestionError, answer_question, first_question
from healthkit.panels.where_i_stand_panel import WhereIStandPanel, where_i_stand

__all__ = [
    "Answer",
    "Panel",
    "PortfolioPanel",
    "Question",
    "QuestionError",
    "RateChange",
    "WhatChangedPanel",
    "WhatIfAnswer",
    "WhatIfPanel",
    "WhereIStandPanel",
    "answer_question",
    "answer_what_if",
    "explain_change",
    "first_question",
    "open_workspace",
    "portfolio",
    "setup",
    "what_changed",
    "what_if",
    "where_i_stand",
]
