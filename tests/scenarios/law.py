"""The ledger's law, checked on a report as a stranger would check it: requests + accounts = totals, exactly."""
ADDITIVE = ("cpu_ns", "kernel_ns", "device_ns", "mem_bytes", "energy_uj", "cycles", "instructions")


def flat(figures):
    """Counters beside the other resources, by their own names."""
    return {**figures, **figures.get("counters", {})}


def check(report):
    """Raises AssertionError with the resource that breaks the law."""
    additive = ADDITIVE + tuple(report["totals"].get("counters", {}))
    for resource in additive:
        total = flat(report["totals"]).get(resource)
        parts = [flat(r["cost"]).get(resource) for r in report["requests"]]
        parts += [flat(account).get(resource) for account in report["accounts"].values()]
        if total is None:
            if any(part is not None for part in parts):
                raise AssertionError(f"{resource} has parts and no total")
            continue
        if any(part is None for part in parts):
            raise AssertionError(f"{resource} has a total and a part that is null")
        if sum(parts) != total:
            raise AssertionError(f"{resource}: parts sum to {sum(parts)}, total is {total}")
    for request in report["requests"]:
        phases = request["cost"]["by_phase"]
        for resource in additive:
            cost = flat(request["cost"]).get(resource)
            if cost is None:
                continue
            inside = sum(flat(phase).get(resource) or 0 for phase in phases.values())
            if inside != cost:
                raise AssertionError(f"request {request['id']}: phases sum to {inside} {resource}, "
                                     f"its cost is {cost}")


def unexplained_share(report):
    """|unexplained| of the CPU time, as a fraction of the total."""
    total = report["totals"]["cpu_ns"]
    return abs(report["accounts"]["unexplained"]["cpu_ns"]) / total if total else 0.0
