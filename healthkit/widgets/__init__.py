"""Panels of a notebook: controls, and the chart, finding and orders that follow them; charts drawn with no network.

The only room with ipywidgets and anywidget. What is shown comes from `questions`, plain functions over a desk; the
controls only ask them.
"""

from healthkit.widgets.drawing import setup
from healthkit.widgets.panel import Panel, where_i_stand
from healthkit.widgets.questions import Answer, Question, QuestionError, answer, first_question

__all__ = ["Answer", "Panel", "Question", "QuestionError", "answer", "first_question", "setup", "where_i_stand"]
