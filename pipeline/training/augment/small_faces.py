"""Faces too small to be learned are taken out, unless nothing would remain."""

from __future__ import annotations

from pipeline.training.augment.scene import Scene, face_scales


def drop_small_faces(scene: Scene, min_face: float = 8.0) -> Scene:
    """Returns the scene without faces whose scale, the root of the area, is below `smallest` pixels.

    Where that would leave none, all stay (MogFace notes, section 8).
    """
    large = face_scales(scene.boxes) >= min_face
    return scene.take(large) if large.any() else scene
