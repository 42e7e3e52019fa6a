"""The steps of the pipeline, one per file, and the command line."""
