"""Everything that turns a batch of images into a better detector: targets, losses, schedule, one plain loop; no Ray."""
