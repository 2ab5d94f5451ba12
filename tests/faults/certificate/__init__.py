"""The kill-anywhere certificate: `python -m tests.faults.certificate` kills a system of four processes at every point there is."""
