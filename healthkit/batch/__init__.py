"""The press: one notebook, run by papermill for each account, becomes pages that open offline, and an index.

The only room with papermill. It knows no metric: what a page says is in the notebook's cells, and what the
index says in the twin that the notebook's last cell shows.
"""

import lazy_loader as lazy

from healthkit.batch.monthly_batch import BatchResult, PageRequest, ReportFailure, generate_reports
from healthkit.batch.pages import missing_pdf_sentences
from healthkit.batch.report_data import ReportData
from healthkit.batch.run_notebook import TEMPLATE, BatchError, run_template

__getattr__ = lazy.attach(__name__, submodules=["cluster"])[0]  # Only who asks for a cluster loads Dask.

__all__ = [
    "TEMPLATE",
    "BatchError",
    "BatchResult",
    "PageRequest",
    "ReportData",
    "ReportFailure",
    "generate_reports",
    "missing_pdf_sentences",
    "run_template",
]
