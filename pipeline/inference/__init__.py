"""A trained detector applied to one image: candidates, suppression, drawing."""
