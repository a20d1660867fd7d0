"""How a notebook shows a job."""


def job_html(progress, kind, error):
    """A bar and the numbers that matter."""
    from html import escape

    percent = progress.done_fraction * 100
    color = {"succeeded": "#2e7d32", "different": "#b26a00", "failed": "#c62828",
             "cancelled": "#757575"}.get(progress.state, "#1565c0")
    facts = [("state", progress.state), ("table", progress.table or "-"),
             ("rows", f"{progress.rows:,}"), ("rows a second", f"{progress.rows_per_s:,.0f}"),
             ("ranges", f"{progress.ranges_done + progress.ranges_skipped:,} of "
                        f"{progress.ranges_total:,}"),
             ("seconds", f"{progress.elapsed_s:,.0f}")]
    if progress.eta_s is not None:
        facts.append(("seconds left", f"{progress.eta_s:,.0f}"))
    if progress.ranges_failed:
        facts.append(("ranges failed", f"{progress.ranges_failed:,}"))
    if kind == "validate":
        facts += [("missing at the target", f"{progress.missing:,}"),
                  ("only at the target", f"{progress.extra:,}"),
                  ("different", f"{progress.differing:,}"),
                  ("repaired", f"{progress.repaired:,}")]
    if error:
        facts.append(("error", error))
    rows = "".join(f"<tr><th style='text-align:left'>{escape(name)}</th>"
                   f"<td style='text-align:left'>{escape(value)}</td></tr>"
                   for name, value in facts)
    return (f"<div><b>dualwrite {escape(kind)}</b> {percent:.0f} %"
            "<div style='background:#ddd;width:20em;height:.6em'>"
            f"<div style='background:{color};width:{percent:.1f}%;height:100%'></div></div>"
            f"<table>{rows}</table></div>")
