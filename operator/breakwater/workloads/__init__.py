"""Workloads that use what Breakwater makes: found, compared with what they should run with, restarted in budgets."""
