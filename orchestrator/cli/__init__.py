"""``vmss``: a thin client of the API. It knows the daemon by HTTP alone."""
