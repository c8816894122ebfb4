"""Measurements on a real control plane. They print figures and judge nothing but that what they measured happened."""
