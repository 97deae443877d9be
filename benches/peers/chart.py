#!/usr/bin/env python3
"""Draws the chart in the README from a result file of run.py.

    benches/peers/chart.py benches/runs/<date>-peers.txt benches/runs/peers.svg
"""

import sys
from pathlib import Path

TITLES = {
    "csv": "accounts as CSV",
    "parquet": "accounts as zstd Parquet",
    "csv_sha256": "accounts as CSV, list as SHA-256",
}
PROGRAMS = {"phonematch": "#0b6e4f", "duckdb": "#b8b8b8", "polars": "#8a8a8a"}
WIDTH, LEFT, RIGHT, BAR, GAP, TOP = 760, 110, 190, 20, 34, 62


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    lines = Path(sys.argv[1]).read_text().splitlines()
    Path(sys.argv[2]).write_text(chart(lines[2], rows_of(lines)))


def rows_of(lines):
    """(workload, program, seconds, peak MB, ratio) of each program with all threads."""
    rows = []
    for line in lines:
        words = line.split()
        if len(words) == len(HEADER) and words[1] in PROGRAMS:
            row = dict(zip(HEADER, words))
            rows.append((row["workload"], row["program"], float(row["seconds"]),
                         int(row["peak_MB"]), float(row["ratio"])))
    return rows


HEADER = ["workload", "program", "seconds", "least", "most", "cpu_s", "peak_MB", "ratio"]


def chart(about, rows):
    workloads = list(dict.fromkeys(row[0] for row in rows))
    longest = max(row[2] for row in rows)
    scale = (WIDTH - LEFT - RIGHT) / longest
    height = TOP + len(workloads) * GAP + len(rows) * (BAR + 4) + 24
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}"'
        f' height="{height}" font-family="sans-serif" font-size="13" role="img">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        text(LEFT, 24, "Seconds for a whole job; less is better", weight="bold"),
        text(LEFT, 42, about.split("; peers")[0], fill="#666666", size=11),
    ]
    y = TOP
    for workload in workloads:
        y += GAP - 10
        parts.append(text(LEFT, y, TITLES.get(workload, workload), weight="bold"))
        y += 10
        for _, program, seconds, peak, ratio in (row for row in rows if row[0] == workload):
            width = max(seconds * scale, 1)
            said = f"{seconds:.2f} s, {peak} MB" + (f", {ratio:.1f} times" if ratio > 1 else "")
            parts.append(text(LEFT - 8, y + 15, program, anchor="end"))
            parts.append(f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR}"'
                         f' fill="{PROGRAMS[program]}"/>')
            parts.append(text(LEFT + width + 8, y + 15, said))
            y += BAR + 4
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def text(x, y, words, anchor="start", weight="normal", fill="#222222", size=13):
    words = words.replace("&", "&amp;").replace("<", "&lt;")
    return (f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}" font-weight="{weight}"'
            f' fill="{fill}" font-size="{size}">{words}</text>')


if __name__ == "__main__":
    main()
