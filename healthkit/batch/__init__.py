"""Generate monthly reports: papermill runs one notebook per account, and the batch writes HTML pages and an index.

The only package that imports papermill. It knows no metric: the notebook's cells hold the content of a page, and
its last cell shows the data for the index (`ReportData`).
"""

import lazy_loader as lazy

# Loaded when first used: the forks that make pages need neither papermill nor mail, and only a cluster needs Dask.
__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules=["cluster", "monthly_batch"],
    submod_attrs={
        "deliveries": ["find_pages"],
        "mail": ["send_mails", "write_mails", "write_summaries"],
        "monthly_batch": ["BatchResult", "ReportFailure", "generate_reports"],
        "page_job": ["Client", "PageRequest"],
        "pages": ["missing_pdf_sentences", "removed_delivery_sentences"],
        "report_data": ["ReportData"],
        "run_notebook": ["TEMPLATE", "BatchError", "run_template", "write_with_parameters"],
        "smtp": ["check_server"],
    },
)
