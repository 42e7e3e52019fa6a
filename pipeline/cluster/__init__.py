"""The only floor that imports Ray: shards to actor pools, whole stages to tasks, functions fanned out."""
