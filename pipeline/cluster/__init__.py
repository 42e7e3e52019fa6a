"""The only floor that imports Ray.

* `RayExecutor`: shards of a map stage through a Ray Data actor pool, a whole stage as one Ray task.
* `SingleProcess`: a training of one process as an actor, fed by Ray Data loaders.
* `fan_out`: a function over many arguments, one Ray task each.
* `train_together`: several processes of a training as a Ray Train run, fed likewise.
* `connect`, `leave`: the cluster of `RAY_ADDRESS`, or a small one on this machine.
"""
