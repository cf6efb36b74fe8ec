"""Generate monthly reports: papermill runs one notebook per account, and the batch writes HTML pages and an index.

The only package that imports papermill. It knows no metric: the notebook's cells hold the content of a page, and
its last cell shows the data for the index (`ReportData`).
"""

import lazy_loader as lazy

from healthkit.batch.deliveries import find_pages
from healthkit.batch.mail import send_mails, write_mails, write_summaries
from healthkit.batch.monthly_batch import BatchResult, ReportFailure, generate_reports
from healthkit.batch.page_job import Client, PageRequest
from healthkit.batch.pages import missing_pdf_sentences, removed_delivery_sentences
from healthkit.batch.report_data import ReportData
from healthkit.batch.run_notebook import TEMPLATE, BatchError, run_template, write_with_parameters
from healthkit.batch.smtp import check_server

__getattr__ = lazy.attach(__name__, submodules=["cluster"])[0]  # Dask is loaded only for a cluster.

__all__ = [
    "TEMPLATE",
    "BatchError",
    "BatchResult",
    "Client",
    "PageRequest",
    "ReportData",
    "ReportFailure",
    "check_server",
    "find_pages",
    "generate_reports",
    "missing_pdf_sentences",
    "removed_delivery_sentences",
    "run_template",
    "send_mails",
    "write_mails",
    "write_summaries",
    "write_with_parameters",
]
