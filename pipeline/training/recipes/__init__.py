"""Recipes: the hyper-parameters of one training."""
