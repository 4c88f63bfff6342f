"""`rft report`: tables, plots and one HTML page from runs, and views for notebooks."""
