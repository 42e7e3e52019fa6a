"""Mosaics: canvases composed of image patches with faces of chosen heights."""
