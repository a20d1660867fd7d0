"""Ratios with their intervals, tables for a terminal, JSON."""

import math
import statistics

TABLES = {
    "read": ("R_read", "reads: requests per CPU second of the proxy, against HAProxy TCP"),
    "execute": ("R_dual", "prepared writes to both sides: against a bare two-way copier"),
    "query": ("R_dual_query", "writes as text to both sides: against a bare two-way copier"),
}


def interval(values: list[float]) -> tuple[float, float]:
    """At least 90 % for the median of what `values` were drawn from, by their order alone."""
    ordered = sorted(values)
    count = len(ordered)
    best = 0
    for rank in range(1, count // 2 + 1):
        outside = 2 * sum(math.comb(count, i) for i in range(rank)) / 2**count
        if outside > 0.10:
            break
        best = rank
    return (ordered[best - 1], ordered[-best]) if best else (ordered[0], ordered[-1])


def ratio(cells: list, kind: str, version: int, shape: str, system: str, reference: str) -> dict:
    """Median over the blocks of system / reference within a block."""
    def of(name: str) -> dict:
        return {
            cell.block: cell for cell in cells
            if (cell.kind, cell.version, cell.shape, cell.system) == (kind, version, shape, name)
        }

    ours, theirs = of(system), of(reference)
    problems = [cell.problem for cell in [*ours.values(), *theirs.values()] if cell.problem]
    result = {"kind": kind, "version": version, "shape": shape, "system": system,
              "reference": reference}
    if problems or not ours or ours.keys() != theirs.keys():
        return result | {"problem": problems[0] if problems else "not measured"}
    values = [ours[block].efficiency / theirs[block].efficiency for block in sorted(ours)]
    low, high = interval(values)
    return result | {
        "ratio": statistics.median(values), "low": low, "high": high,
        "minimum": min(values), "maximum": max(values), "blocks": len(values),
    }


def kilo(value: float) -> str:
    return f"{value / 1000:,.1f}" if value < 100_000 else f"{value / 1000:,.0f}"


def medians(cells: list, **fixed) -> dict:
    chosen = [
        cell for cell in cells
        if not cell.problem and all(getattr(cell, key) == value for key, value in fixed.items())
    ]
    if not chosen:
        return {}
    return {
        name: statistics.median(getattr(cell, name) for cell in chosen)
        for name in ("efficiency", "requests_per_second", "p50_us", "p99_us", "client_share",
                     "proxy_share", "foreign_share", "drain_seconds")
    }


def table(cells: list, ratios: list, kind: str, version: int, shapes: list, names: list) -> str:
    """Thousand requests per CPU second, then the ratios; what has a problem says so."""
    short, title = TABLES[kind]
    lines = [f"{short}, v{version}: {title}", ""]
    head = ["shape", *names, *(f"{r['system']}/{r['reference']}" for r in ratios
                               if r["shape"] == shapes[0])]
    rows = [head]
    notes = []
    for shape in shapes:
        row = [shape]
        for name in names:
            found = medians(cells, kind=kind, version=version, shape=shape, system=name)
            row.append(kilo(found["efficiency"]) if found else "-")
        for r in (r for r in ratios if r["shape"] == shape):
            if "ratio" in r:
                row.append(f"{r['ratio']:.2f} [{r['low']:.2f}, {r['high']:.2f}]")
            else:
                row.append("no ratio")
                notes.append(f"  {shape} {r['system']}/{r['reference']}: {r['problem']}")
        rows.append(row)
    lines += aligned(rows)
    lines += ["", "  p50 / p99 in us, thousand requests per second:"]
    for shape in shapes:
        parts = []
        for name in names:
            found = medians(cells, kind=kind, version=version, shape=shape, system=name)
            if found:
                parts.append(f"{name} {found['p50_us']:.0f} / {found['p99_us']:.0f}, "
                             f"{kilo(found['requests_per_second'])}")
        lines.append(f"  {shape:>6}  " + ";  ".join(parts))
    return "\n".join(lines + [""] * bool(notes) + notes) + "\n"


def aligned(rows: list) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  " + "  ".join(cell.rjust(width) for cell, width in zip(row, widths))
            for row in rows]
