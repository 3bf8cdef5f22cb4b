#!/usr/bin/env python3
"""Measures the release binary against a fake of Google's Monitoring API (in this process) and prints a table for docs/performance.md.

    cargo build --release && python3 benches/measure_google.py

10 metric types of 10,000 series each, --distributions more series with 12 bounds. Answers are made and compressed before anything is
measured. CPU is user+system time of the daemon alone, from /proc. Plain HTTP: no TLS. Python's standard library only."""
import argparse, gzip, json, os, re, socket, statistics, subprocess, sys, tempfile, threading, time, urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import measure

PAGE = 5_000  # series on a page of an answer
BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25]


def series(metric, kind, n, points, metric_kind):
    value = {"doubleValue": n * 1.25 + 0.1} if kind == "DOUBLE" else {"distributionValue": {
        "count": str(n + 12), "mean": 0.25, "bucketOptions": {"explicitBuckets": {"bounds": BOUNDS}}, "bucketCounts": ["1"] * 12 + [str(n)]}}
    at = lambda m: f"2026-11-21T10:{m:02}:00Z"
    return {"metric": {"type": metric, "labels": {"response_code_class": str(n % 5 + 1) + "xx", "method": f"method-{n % 97}"}},
            "resource": {"type": "cloud_run_revision", "labels": {"project_id": "p", "location": f"europe-west{n % 7}", "service_name": f"service-{n % 200}",
                         "revision_name": f"service-{n % 200}-{n:05}-abc", "configuration_name": f"service-{n % 200}"}},
            "metricKind": metric_kind, "valueType": kind,
            "points": [{"interval": {"startTime": at(30 - p - (metric_kind != "GAUGE")), "endTime": at(30 - p)}, "value": value} for p in range(points)]}


def answers(types, points, metric_kind):
    """metric type -> its pages, compressed"""
    made, size = {}, 0
    for metric, kind, count in types:
        pages = []
        for start in range(0, count, PAGE):
            body = {"timeSeries": [series(metric, kind, n, points, metric_kind) for n in range(start, min(start + PAGE, count))]}
            if start + PAGE < count:
                body["nextPageToken"] = str(len(pages) + 1)
            text = json.dumps(body, separators=(",", ":")).encode()
            size += len(text)
            pages.append(gzip.compress(text, 6))
        made[metric] = pages
    return made, size


def serve(types, points, metric_kind):
    made, size = answers(types, points, metric_kind)
    descriptors = json.dumps({"metricDescriptors": [{"name": "projects/p/metricDescriptors/" + m, "type": m, "metricKind": metric_kind, "valueType": k, "unit": "1",
                              "description": "A metric."} for m, k, _ in types]}).encode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def answer(self, body, packed=False):
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            if packed:
                self.send_header("Content-Encoding", "gzip")
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.answer(b'{"access_token":"t","expires_in":3600}')

        def do_GET(self):
            query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
            if "/metricDescriptors" in self.path:
                return self.answer(descriptors)
            metric = re.search(r'metric\.type="([^"]*)"', query["filter"][0])[1]
            self.answer(made[metric][int(query.get("pageToken", ["0"])[0])], True)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1], size


class Setup:
    def __init__(self, binary, google, interval, folder):
        self.port = measure.free_port()
        config, key = os.path.join(folder, "raingauge.yml"), os.path.join(folder, "user.json")
        with open(config, "w") as f:
            f.write(f"gcp:\n  endpoint: http://127.0.0.1:{google}\n  jobs:\n    - {{projects: [p], metrics_prefixes: [t.googleapis.com/], interval: {interval}s}}\n")
        with open(key, "w") as f:
            json.dump({"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r", "token_uri": f"http://127.0.0.1:{google}/token"}, f)
        env = {"PATH": os.environ["PATH"], "HOME": folder, "GOOGLE_APPLICATION_CREDENTIALS": key}
        self.daemon = subprocess.Popen([binary, "run", "--config", config, "--web.listen-address", f"127.0.0.1:{self.port}", "--log.level", "warn",
                                        "--state-dir", os.path.join(folder, "state")], env=env)
        measure.wait_listening(self.port, self.daemon)

    def page(self):
        return measure.get(self.port, "/metrics")[3].decode()


def run(binary, types, points, interval, cycles, times, metric_kind):
    google, size = serve(types, points, metric_kind)
    with tempfile.TemporaryDirectory() as folder:
        s = Setup(binary, google, interval, folder)
        try:
            while not measure.get(s.port, "/-/ready")[3].startswith(b"ready"):
                time.sleep(0.05)
            time.sleep(interval)
            rss, before, start = measure.memory_mb(s.daemon.pid, "VmRSS"), measure.cpu_seconds(s.daemon.pid), time.monotonic()
            time.sleep(cycles * interval)
            cpu = (measure.cpu_seconds(s.daemon.pid) - before) / ((time.monotonic() - start) / interval)
            packed, rss_gzip = measure.scrape(s, "gzip", times), measure.memory_mb(s.daemon.pid, "VmRSS")
            plain = measure.scrape(s, "identity", times)
            page = s.page()
            samples = sum(l.startswith("stackdriver_") for l in page.splitlines())
            return [("series, samples on the page", f"{measure.value(page, 'raingauge_job_series'):,.0f}, {samples:,}"),
                    ("answers of a collection, unpacked", f"{size / 1e6:.0f} MB"),
                    ("CPU per collection", f"{cpu:.3f} CPU-s"),
                    ("plain scrape, warm: first byte, all, CPU", f"{plain[0] * 1e3:.1f} ms, {plain[1] * 1e3:.1f} ms, {plain[3]:.4f} CPU-s ({plain[2] / 1e6:.1f} MB)"),
                    ("gzip scrape, warm: first byte, all, CPU", f"{packed[0] * 1e3:.1f} ms, {packed[1] * 1e3:.1f} ms, {packed[3]:.4f} CPU-s ({packed[2] / 1e6:.1f} MB)"),
                    ("RSS before the first scrape", f"{rss:.0f} MB"), ("RSS when only gzip is asked for", f"{rss_gzip:.0f} MB"),
                    ("RSS with both page variants warm", f"{measure.memory_mb(s.daemon.pid, 'VmRSS'):.0f} MB"),
                    ("RSS high-water", f"{measure.memory_mb(s.daemon.pid, 'VmHWM'):.0f} MB")]
        finally:
            s.daemon.terminate()
            s.daemon.wait(30)


def main():
    a = argparse.ArgumentParser(description=__doc__)
    a.add_argument("--binary", default="target/release/raingauge")
    a.add_argument("--types", type=int, default=10)
    a.add_argument("--series", type=int, default=10_000)
    a.add_argument("--distributions", type=int, default=2_067)
    a.add_argument("--points", type=int, nargs="*", default=[1, 5])
    a.add_argument("--kind", default="GAUGE", help="DELTA: counters are added up, and kept in a state directory")
    a.add_argument("--interval", type=int, default=10)
    a.add_argument("--cycles", type=int, default=4)
    a.add_argument("--scrapes", type=int, default=20)
    o = a.parse_args()
    types = [(f"t.googleapis.com/metric_{t}", "DOUBLE", o.series) for t in range(o.types)]
    if o.distributions:
        types.append(("t.googleapis.com/latencies", "DISTRIBUTION", o.distributions))
    tables = [run(o.binary, types, p, o.interval, o.cycles, o.scrapes, o.kind) for p in o.points]
    print("| | " + " | ".join(f"{p} point{'s' * (p > 1)} a series" for p in o.points) + " |\n|---|" + "---|" * len(o.points))
    for rows in zip(*tables):
        print(f"| {rows[0][0]} | " + " | ".join(r[1] for r in rows) + " |")


if __name__ == "__main__":
    main()
