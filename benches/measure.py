#!/usr/bin/env python3
"""Measures the release binary against the simulated cloud (its own process) and prints a table for docs/performance.md.

    cargo build --release && python3 benches/measure.py

CPU is user+system time of the daemon alone, from /proc; times of scrapes are wall time on the loopback, medians.
Python's standard library only."""
import argparse, http.client, os, re, signal, socket, statistics, subprocess, sys, tempfile, time

METRICS = ["CPUUtilization", "NetworkIn", "NetworkOut", "NetworkPacketsIn", "NetworkPacketsOut", "StatusCheckFailed",
           "StatusCheckFailed_Instance", "StatusCheckFailed_System", "DiskReadOps", "DiskWriteOps", "DiskReadBytes",
           "DiskWriteBytes", "EBSReadOps", "EBSWriteOps", "EBSReadBytes", "EBSWriteBytes", "CPUCreditUsage",
           "CPUCreditBalance", "EBSIOBalance%", "EBSByteBalance%"]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid, key):
    return int(re.search(key + r":\s+(\d+)", open(f"/proc/{pid}/status").read())[1]) / 1024


def get(port, path, encoding="identity"):
    start = time.perf_counter()
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    c.request("GET", path, headers={"Accept-Encoding": encoding})
    r = c.getresponse()
    first = time.perf_counter()
    size, body = 0, []
    while piece := r.read(1 << 20):
        size += len(piece)
        body.append(piece)
    return first - start, time.perf_counter() - start, size, b"".join(body)


def drain(port, encoding):
    """-> (seconds to the first byte, seconds in all, bytes); a client that only reads, as cheaply as Python can."""
    buffer, size, start = bytearray(1 << 20), 0, time.perf_counter()
    with socket.create_connection(("127.0.0.1", port), 60) as s:
        s.sendall(f"GET /metrics HTTP/1.0\r\nHost: x\r\nAccept-Encoding: {encoding}\r\n\r\n".encode())
        first = None
        while n := s.recv_into(buffer):
            first = first or time.perf_counter()
            size += n
    return first - start, time.perf_counter() - start, size


def value(page, name, *parts):
    return sum(float(l.rsplit(" ", 1)[1]) for l in page.splitlines() if l.startswith(name + "{") and all(p in l for p in parts))


def wait_listening(port, child, limit=60):
    end = time.monotonic() + limit
    while time.monotonic() < end and child.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.001)
    sys.exit("the program does not listen")


class Setup:
    """A simulated cloud with EC2 instances and a daemon that collects all their metrics."""

    def __init__(self, binary, instances, interval, folder, more=()):
        self.sim_port, self.port = free_port(), free_port()
        self.sim = subprocess.Popen([binary, "sim", "--web.listen-address", f"127.0.0.1:{self.sim_port}", "--resources", str(instances),
                                     "--services", "AWS/EC2"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_listening(self.sim_port, self.sim)
        config = os.path.join(folder, "config.yml")
        names = "".join(f"          - {{name: '{m}', statistics: [Average]}}\n" for m in METRICS)
        with open(config, "w") as f:
            f.write(f"aws:\n  interval: {interval}s\n  discovery:\n    exportedTagsOnMetrics: {{AWS/EC2: [Name, env, team]}}\n"
                    f"    jobs:\n      - type: AWS/EC2\n        regions: [eu-west-1]\n        metrics:\n{names}")
        env = {"PATH": os.environ["PATH"], "HOME": folder, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.sim_port}",
               "AWS_ACCESS_KEY_ID": "AKSIM", "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "eu-west-1"}
        self.command = [binary, "run", "--config", config, "--web.listen-address", f"127.0.0.1:{self.port}", "--log.level",
                        "warn", *more]
        self.env = env
        self.start()

    def start(self):
        start = time.perf_counter()
        self.daemon = subprocess.Popen(self.command, env=self.env, stderr=subprocess.DEVNULL)
        wait_listening(self.port, self.daemon)
        self.start_seconds = time.perf_counter() - start

    def page(self):
        return get(self.port, "/metrics")[3].decode()

    def runs(self):
        # The status page is small and does not make the page of the metrics be rendered.
        return int(value(self.page(), "raingauge_job_runs_total", 'run="fetch"'))

    def wait_ready(self):
        while True:
            status = get(self.port, "/-/ready")[3]
            if status.startswith(b"ready"):
                return
            time.sleep(0.05)

    def stop_daemon(self):
        start = time.perf_counter()
        self.daemon.send_signal(signal.SIGTERM)
        self.daemon.wait(30)
        self.stop_seconds = time.perf_counter() - start

    def stop(self):
        self.stop_daemon()
        self.sim.kill()
        self.sim.wait()


def scrape(s, encoding, times):
    drain(s.port, encoding)  # renders this variant, if nobody has asked for it yet
    before, taken = cpu_seconds(s.daemon.pid), []
    for _ in range(times):
        taken.append(drain(s.port, encoding))
    cpu = (cpu_seconds(s.daemon.pid) - before) / times
    return statistics.median(t[0] for t in taken), statistics.median(t[1] for t in taken), taken[0][2], cpu


def measure(binary, instances, interval, cycles, times):
    with tempfile.TemporaryDirectory() as folder:
        s = Setup(binary, instances, interval, folder)
        try:
            s.wait_ready()
            rss_idle = memory_mb(s.daemon.pid, "VmRSS")
            # Whole intervals without any scrape: collections only.
            before, start = cpu_seconds(s.daemon.pid), time.monotonic()
            time.sleep(cycles * interval)
            collections = (time.monotonic() - start) / interval
            cpu_collection = (cpu_seconds(s.daemon.pid) - before) / collections
            packed = scrape(s, "gzip", times)
            rss_gzip = memory_mb(s.daemon.pid, "VmRSS")
            plain = scrape(s, "identity", times)
            series = int(value(s.page(), "raingauge_job_series"))
            time.sleep(2 * interval)
            get(s.port, "/metrics"), get(s.port, "/metrics", "gzip")
            rows = [("series", f"{series:,}"), ("start to listening", f"{s.start_seconds * 1e3:.0f} ms"),
                    ("CPU per collection", f"{cpu_collection:.3f} CPU-s"),
                    ("plain scrape, warm: first byte, all, CPU", f"{plain[0] * 1e3:.1f} ms, {plain[1] * 1e3:.1f} ms, {plain[3]:.4f} CPU-s ({plain[2] / 1e6:.1f} MB)"),
                    ("gzip scrape, warm: first byte, all, CPU", f"{packed[0] * 1e3:.1f} ms, {packed[1] * 1e3:.1f} ms, {packed[3]:.4f} CPU-s ({packed[2] / 1e6:.1f} MB)"),
                    ("RSS before the first scrape", f"{rss_idle:.0f} MB"),
                    ("RSS when only gzip is asked for (Prometheus, vmagent)", f"{rss_gzip:.0f} MB"),
                    ("RSS with both page variants warm", f"{memory_mb(s.daemon.pid, 'VmRSS'):.0f} MB"),
                    ("RSS high-water", f"{memory_mb(s.daemon.pid, 'VmHWM'):.0f} MB")]
        finally:
            s.stop()
        return rows + [("SIGTERM to exit", f"{s.stop_seconds * 1e3:.0f} ms")]


def measure_warm_start(binary, instances, interval, cycles):
    """A daemon with a state directory, and a second start from it."""
    with tempfile.TemporaryDirectory() as folder:
        state = os.path.join(folder, "state")
        start = time.perf_counter()
        s = Setup(binary, instances, interval, folder, ("--state-dir", state))
        try:
            s.wait_ready()
            cold, cold_cpu = time.perf_counter() - start, cpu_seconds(s.daemon.pid)
            time.sleep(interval)  # the first documents are written
            before, begin = cpu_seconds(s.daemon.pid), time.monotonic()
            time.sleep(cycles * interval)
            collections = (time.monotonic() - begin) / interval
            cpu_collection = (cpu_seconds(s.daemon.pid) - before) / collections
            high = memory_mb(s.daemon.pid, "VmHWM")
            s.stop_daemon()
            stopped = s.stop_seconds
            size = sum(os.path.getsize(os.path.join(d, f)) for d, _, files in os.walk(state) for f in files)
            start = time.perf_counter()
            s.start()
            s.wait_ready()
            warm, warm_cpu = time.perf_counter() - start, cpu_seconds(s.daemon.pid)
            series = sum(l.startswith("aws_ec2_") for l in s.page().splitlines())
        finally:
            s.stop()
        return [("series, with a state directory", f"{series:,}"), ("state on disk", f"{size / 1e6:.1f} MB"),
                ("CPU per collection, writing included", f"{cpu_collection:.3f} CPU-s"), ("RSS high-water, no scrape", f"{high:.0f} MB"),
                ("SIGTERM to exit, writing included", f"{stopped * 1e3:.0f} ms"),
                ("cold start to ready", f"{cold:.2f} s, {cold_cpu:.2f} CPU-s"), ("warm start to ready", f"{warm:.2f} s, {warm_cpu:.2f} CPU-s")]


def main():
    a = argparse.ArgumentParser(description=__doc__)
    a.add_argument("--binary", default="target/release/raingauge")
    a.add_argument("--instances", type=int, action="append", help="EC2 instances; may be repeated (default: 500 and 5271, which make 10,000 and 105,000 series)")
    a.add_argument("--interval", type=int, default=10, help="seconds between two collections")
    a.add_argument("--warm-start", action="store_true", help="measure a daemon with a state directory instead, and its restart")
    a.add_argument("--cycles", type=int, default=6)
    a.add_argument("--scrapes", type=int, default=20)
    o = a.parse_args()
    print(f"binary: {os.path.getsize(o.binary) / 1e6:.2f} MB")
    for n in o.instances or [500, 5271]:
        binary = os.path.abspath(o.binary)
        rows = measure_warm_start(binary, n, o.interval, o.cycles) if o.warm_start else measure(binary, n, o.interval, o.cycles, o.scrapes)
        for name, figure in rows:
            print(f"{name:55} {figure}", flush=True)
        print()


if __name__ == "__main__":
    main()
