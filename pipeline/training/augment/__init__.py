"""Augmentation: samplers draw what happens to an image from an explicit generator, applying it knows no chance.

`policy.policy(name)` gives one of the named ways to train (`das`, `sse`, ...), `seeds.generator_for` the generator of
one image in one epoch. Arguments are never written to; pixels are BGR and boxes continuous xyxy (x2 = x1 + w).
"""
