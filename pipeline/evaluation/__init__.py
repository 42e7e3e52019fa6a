"""Detections against labelled faces: AP, false alarms, order of scores, comparisons and pages."""
