"""From a run's raw rows to its scorecard, figures and page."""
