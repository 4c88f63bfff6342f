"""From finished stages to the results of a run: rows, comparisons, plots and costs."""
