"""The ledger's law, checked on a report as a stranger would check it: requests + accounts = totals, exactly."""
ADDITIVE = ("cpu_ns", "kernel_ns", "device_ns", "mem_bytes", "energy_uj", "cycles", "instructions")


def flat(figures):
    """Counters beside the other resources, by their own names."""
    return {**figures, **figures.get("counters", {})}


def check_kernel(report):
    """System calls and interrupts: of every kind requests + accounts = total, and all kinds together are the kernel time."""
    if report["kernel"] is None:
        return
    holders = [r["cost"] for r in report["requests"]] + list(report["accounts"].values())
    for holder in [*holders, report["totals"]]:
        inside = sum(kind["ns"] for kind in holder["kernel"])
        if inside != holder["kernel_ns"]:
            raise AssertionError(f"kinds sum to {inside}, kernel_ns is {holder['kernel_ns']}")
    for kind in report["kernel"]["kinds"]:
        for figure in ("count", "ns"):
            parts = sum(k[figure] or 0 for holder in holders for k in holder["kernel"]
                        if (k["name"], k["path"]) == (kind["name"], kind["path"]))
            if kind[figure] is not None and parts != kind[figure]:
                raise AssertionError(f"{kind['name']}: parts sum to {parts} {figure}, total is {kind[figure]}")


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
    check_kernel(report)
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
