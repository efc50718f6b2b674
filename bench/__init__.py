"""Run, score, record and compare methods; started as ``python -m bench``."""
