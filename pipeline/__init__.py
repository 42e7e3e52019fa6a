"""wider8k's library, in floors: engine and boxes; data and cluster; models; training, inference and evaluation."""
