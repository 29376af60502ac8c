"""Time, memory and error of jaxneuro beside other programs, in one run.

Every side gets the same data in memory, of the same dtype, and gives its result as
NumPy arrays. Times come from one process per case and dtype, where the sides take
turns; peak memory from a fresh process per side. The exit code is 1 when an error
exceeds its tolerance, whatever the times.

    python benchmarks/run.py trf --sizes small
    python benchmarks/run.py --only high_density --json benchmarks/results/cpu.json
    python benchmarks/run.py --show benchmarks/results/cpu.json
    python benchmarks/run.py --summary benchmarks/results/cpu.json
"""

import argparse
import importlib
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib import metadata, util
from pathlib import Path

from cases import ROOMS, Case, Peer, load

OURS = "jaxneuro"
LONG = 30.0  # seconds; a side slower than this runs once
SHORT = 0.05  # seconds; a side is called until it has taken these, and averaged
REST = 0.3  # seconds before a side: threads of the one before spin for a while
BUDGET = 60.0  # seconds of repeats per case and dtype
MEGA = 1e6
DTYPES = ("float32", "float64")


def installed(peer: Peer) -> bool:
    """Say whether the peer can be imported."""
    return util.find_spec(peer.module.split(".")[0]) is not None


def sides(case: Case) -> dict:
    """Name of each side that can run here, its module and its function."""
    found = {OURS: (case.module, case.ours)}
    return found | {
        peer.name: (peer.module, peer.run) for peer in case.peers if installed(peer)
    }


def clock(run, data) -> tuple[float, dict]:
    """Seconds of one call, and its result."""
    start = time.perf_counter()
    result = run(data)
    return time.perf_counter() - start, result


def warm_time(run, data, small) -> float:
    """Seconds of a call, the mean of several where one is short.

    While the other sides run, this one's code leaves the caches, and the host of a
    virtual machine even takes its pages: a first small call is not timed.
    """
    time.sleep(REST)
    run(small)
    total, n = 0.0, 0
    while total < SHORT:
        total, n = total + clock(run, data)[0], n + 1
    return total / n


def time_case(case: Case, size: str, dtype: str, repeats: int) -> dict:
    """First and warm times of all sides in turns, and errors against each peer."""
    data, small = case.make(size, dtype), case.make("small", dtype)
    for module, _ in sides(case).values():
        importlib.import_module(module)
    runs = {name: run for name, (_, run) in sides(case).items()}
    first, results = {}, {}
    for name, run in runs.items():
        first[name], results[name] = clock(run, data)
        run(small)
    warm = {name: [] for name in runs}
    begin = time.perf_counter()
    for turn in range(repeats):
        if turn > 2 and time.perf_counter() - begin > BUDGET:
            break
        for name, run in runs.items():
            if first[name] < LONG or name == OURS:
                warm[name].append(warm_time(run, data, small))
    errors = {
        peer.name: peer.error(data, results[OURS], results[peer.name])
        for peer in case.peers
        if peer.name in runs
    }
    return {"first": first, "warm": warm, "errors": errors}


def peak_rss(reset: bool = False) -> float:
    """Peak resident memory of this process in bytes, since the last reset on Linux."""
    if sys.platform == "linux":
        if reset:
            Path("/proc/self/clear_refs").write_text("5")
        status = Path("/proc/self/status").read_text().split("VmHWM:")[1]
        return 1024 * float(status.split()[0])
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def weigh_case(case: Case, size: str, dtype: str, side: str) -> dict:
    """Peak memory of one side above that of its imports and the data."""
    import jax

    module, run = sides(case)[side]
    importlib.import_module(module)
    data = case.make(size, dtype)
    device = jax.devices()[0]
    base = peak_rss(reset=True)
    run(data)
    peak = peak_rss() - base
    if side == OURS and device.platform != "cpu":
        peak = device.memory_stats()["peak_bytes_in_use"]
    return {"peak": peak}


def child(task: dict, dtype: str) -> dict:
    """Run one task of this file in a fresh process."""
    environment = os.environ | {"JAX_ENABLE_X64": str(int(dtype == "float64"))}
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        text = json.dumps(task | {"dtype": dtype, "answer": str(answer)})
        command = [sys.executable, __file__, "--child", text]
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
        return json.loads(answer.read_text())


def run_child(task: dict) -> None:
    """Do one task and write its answer."""
    case = load()[task["case"]]
    answer = Path(task.pop("answer"))
    if task["kind"] == "time":
        found = time_case(case, task["size"], task["dtype"], task["repeats"])
    elif task["kind"] == "weigh":
        found = weigh_case(case, task["size"], task["dtype"], task["side"])
    else:
        found = environment()
    answer.write_text(json.dumps(found))


def environment() -> dict:
    """Machine, device and versions."""
    import jax

    names = {peer.package for case in load().values() for peer in case.peers}
    versions = {}
    for name in sorted(names | {"jaxneuro", "jax", "numpy", "scipy"}):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    return {
        "device": jax.devices()[0].device_kind,
        "platform": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),  # other work slows programs unequally
        "python": platform.python_version(),
        "versions": versions,
    }


def measure(case: Case, size: str, dtype: str, repeats: int) -> list[dict]:
    """Rows of one case and dtype, ours first."""
    task = {"case": case.name, "size": size}
    times = child(task | {"kind": "time", "repeats": repeats}, dtype)
    ours = statistics.median(times["warm"][OURS])
    common = {"case": case.name, "size": size, "dtype": dtype}
    rows = [
        common | {"side": OURS, "run": ours, "compile": times["first"][OURS] - ours}
    ]
    for peer in case.peers:
        row = common | {"side": peer.name}
        rows.append(row)
        if peer.name in times["first"]:
            warm = times["warm"][peer.name] or [times["first"][peer.name]]
            row["run"] = statistics.median(warm) / peer.share
            row["ratio"] = row["run"] / ours
            row["error"] = times["errors"][peer.name]
            row["measure"] = peer.measure
            row["tolerance"] = peer.tolerance[dtype]
    for row in rows:
        if "run" in row and size == "full":  # small tasks weigh less than their noise
            task |= {"kind": "weigh", "side": row["side"]}
            row["peak"] = child(task, dtype)["peak"]
    return rows


def seconds(value: float) -> str:
    """Text of a time."""
    return f"{value:.3g} s" if value >= 1 else f"{1e3 * value:.3g} ms"


def table(rows: list[dict]) -> str:
    """Markdown: what everybody needs, and the error beside every ratio."""
    head = ["case", "dtype", "program", "first call adds", "run", "peak memory"]
    head += ["jaxneuro is faster", "largest error"]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        line = [row["case"], row["dtype"], row["side"]]
        if "run" not in row:
            lines.append([*line, "", "not measured: not installed", "", "", ""])
            continue
        line.append(seconds(row["compile"]) if "compile" in row else "")
        line.append(seconds(row["run"]))
        line.append(f"{row['peak'] / MEGA:.0f} MB" if "peak" in row else "")
        line.append(f"{row['ratio']:.1f}x" if "ratio" in row else "")
        line.append(f"{row['error']:.1e} ({row['measure']})" if "error" in row else "")
        lines.append(line)
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def summary(rows: list[dict]) -> str:
    """Markdown: a line per task and program, each ratio with its time and error."""
    titles = {name: case.title for name, case in load().items()}
    ours = {
        (row["case"], row["dtype"]): row["run"] for row in rows if "ratio" not in row
    }
    cells: dict[tuple, dict] = {}
    for row in rows:
        if "ratio" in row:
            time_ours = seconds(ours[row["case"], row["dtype"]])
            cell = f"**{row['ratio']:.3g}x** ({time_ours}; {row['error']:.0e})"
            cells.setdefault((row["case"], row["side"]), {})[row["dtype"]] = cell
    lines = [["task", "beside", *DTYPES], ["---"] * 4]
    for (case, side), found in cells.items():
        lines.append([titles[case], side, *(found.get(name, "") for name in DTYPES)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def keep(path: Path, about: dict, rows: list[dict]) -> None:
    """Write rows to a file in place of those of the same case, size and dtype."""

    def task(row: dict) -> tuple:
        return row["case"], row["size"], row["dtype"]

    done = {task(row) for row in rows}
    old = json.loads(path.read_text())["rows"] if path.exists() else []
    rows = [row for row in old if task(row) not in done] + rows
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"environment": about, "rows": rows}, indent=1)
    path.write_text(text + "\n")


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("rooms", nargs="*", metavar="ROOM", help=f"of {ROOMS}")
    parser.add_argument("--sizes", choices=("small", "full"), default="full")
    parser.add_argument("--only", metavar="CASE", help="one case")
    parser.add_argument("--dtype", choices=DTYPES)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="add to, or replace in, this file"
    )
    parser.add_argument("--show", type=Path, metavar="FILE", help="print its table")
    parser.add_argument("--summary", type=Path, metavar="FILE", help="in few columns")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main() -> int:
    """Run the chosen cases and say whether all numbers are right."""
    options = parse()
    if options.child:
        run_child(json.loads(options.child))
        return 0
    if options.show:
        print(table(json.loads(options.show.read_text())["rows"]))
        return 0
    if options.summary:
        print(summary(json.loads(options.summary.read_text())["rows"]))
        return 0
    cases = load(tuple(options.rooms) or ROOMS)
    if options.only:
        cases = {options.only: cases[options.only]}
    about = child({"case": next(iter(cases)), "kind": "environment"}, "float32")
    rows = []
    for case in cases.values():
        for dtype in case.dtypes:
            if options.dtype in (None, dtype):
                print(f"{case.name}, {dtype} ...", file=sys.stderr, flush=True)
                rows += measure(case, options.sizes, dtype, options.repeats)
    versions = ", ".join(f"{k} {v}" for k, v in about["versions"].items() if v)
    machine = (
        f"{about['device']}, {about['cores']} cores, load {about['load']} at start"
    )
    print(f"{table(rows)}\n\n{machine}; {versions}")
    if options.json:
        keep(options.json, about, rows)
    wrong = [
        row for row in rows if "error" in row and not row["error"] <= row["tolerance"]
    ]
    for row in wrong:
        print(
            f"{row['case']}, {row['dtype']}: error {row['error']:.2e} against "
            f"{row['side']} exceeds {row['tolerance']:.0e}",
            file=sys.stderr,
        )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
