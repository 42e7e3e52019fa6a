"""The only floor that imports Ray.

* `RayExecutor`: shards of a map stage through a Ray Data actor pool, a whole stage as one Ray task.
* `fan_out`: a function over many arguments, one Ray task each.
* `train_together`: the processes of a training as a Ray Train run, fed by Ray Data loaders.
* `connect`, `leave`: the cluster of `RAY_ADDRESS`, or a small one on this machine.
"""
