"""Web rules on others' Ingresses: what zones want, decided once, written in the engine's dialect, measured."""
