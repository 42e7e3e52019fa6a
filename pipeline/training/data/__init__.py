"""Training data: images with faces, sampled, augmented and collated into batches."""
