"""What /metrics tells: counts and times of the engine, freshness of measurements."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Metrics:
    """One registry for one operator; names follow Prometheus' conventions, units in the name."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.plans = Counter("breakwater_plans", "Plans computed.", ["kind"], registry=self.registry)
        self.plan_seconds = Histogram(
            "breakwater_plan_duration_seconds",
            "Time to compute one plan.",
            ["kind"],
            buckets=(0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.25),
            registry=self.registry,
        )
        self.actions = Counter(
            "breakwater_actions",
            "Writes by what became of them.",
            ["action", "reason", "outcome"],
            registry=self.registry,
        )
        self.bugs = Counter("breakwater_bugs", "Exceptions that nobody expected.", ["kind"], registry=self.registry)
        self.status_writes = Counter("breakwater_status_writes", "Status updates.", ["kind"], registry=self.registry)
        self.queue = Gauge("breakwater_queue_length", "Subjects ready to be planned.", registry=self.registry)
        self.not_converging = Counter(
            "breakwater_plan_not_converging",
            "Subjects planned again and again without a changed plan.",
            ["kind"],
            registry=self.registry,
        )
        self.vanished = Gauge(
            "breakwater_vanished_declarations", "Declarations gone, objects left.", registry=self.registry
        )
        self.mass_deletion = Gauge(
            "breakwater_mass_deletion", "1 while a mass deletion waits to be confirmed.", registry=self.registry
        )
        self.leading = Gauge("breakwater_leading", "1 on the instance that acts.", registry=self.registry)
        self.measured = Gauge(
            "breakwater_measurement_timestamp_seconds",
            "When a measurement was taken last.",
            ["kind", "namespace", "name", "measurement"],
            registry=self.registry,
        )
        self.measure_seconds = Histogram(
            "breakwater_measure_duration_seconds", "Time of one measurement.", ["measurement"], registry=self.registry
        )
