"""WIDER FACE: images, annotations, subsets, ground truth, and the text format of predictions."""
