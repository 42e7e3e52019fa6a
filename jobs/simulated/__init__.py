"""A cluster of several machines on this one, for what jobs and tests do to it."""
