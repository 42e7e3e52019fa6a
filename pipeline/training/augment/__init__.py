"""Augmentation: samplers decide from an explicit random generator, applying a sampled augmentation is deterministic.

`policy.POLICIES` has the named ones (`das`, `sse`, ...), `seeds.generator_for` gives the generator of one image in one
epoch. Arguments are never written to; pixels are BGR and boxes continuous xyxy (x2 = x1 + w).
"""
