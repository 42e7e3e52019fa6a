"""Faces too small to be learned are removed, unless all are."""

from __future__ import annotations

from pipeline.training.augment.scene import Scene, face_scales


def drop_small_faces(scene: Scene, min_face: float = 8.0) -> Scene:
    """Returns the scene without faces whose scale is below `min_face` pixels; with all of them if none would remain."""
    large = face_scales(scene.boxes) >= min_face
    return scene.take(large) if large.any() else scene
