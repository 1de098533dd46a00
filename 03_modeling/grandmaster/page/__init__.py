"""The page: data, models, training, runs, predictions and submissions in a browser, on this machine alone."""
