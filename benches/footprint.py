#!/usr/bin/env python3
"""The agent's footprint: eight host plugins at 60 s for five minutes, alone (listening nowhere), and in one process with a bridge.

    cargo build --release && python3 benches/footprint.py

Everything runs at once against one simulated cloud (its own process). CPU is user+system time from /proc, RSS that of the end and the
highest. The start is timed apart, to the first answer of a listening agent. Python's standard library only."""
import argparse, json, os, subprocess, sys, tempfile, time
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from measure import METRICS, cpu_seconds, free_port, memory_mb, wait_listening

PLUGINS = {
    "cpu": {"measurement": ["usage_idle", "usage_iowait", "usage_user", "usage_system"], "resources": ["*"]},
    "disk": {"measurement": ["used_percent", "inodes_free"], "resources": ["/"]},
    "diskio": {"measurement": ["reads", "writes", "read_bytes", "write_bytes", "io_time"]},
    "mem": {"measurement": ["used_percent", "available", "cached"]},
    "swap": {"measurement": ["used_percent"]},
    "net": {"measurement": ["bytes_sent", "bytes_recv", "packets_sent", "packets_recv"], "resources": ["*"]},
    "netstat": {"measurement": ["tcp_established", "tcp_time_wait"]},
    "processes": {"measurement": ["running", "sleeping", "blocked", "zombies", "total"]},
}


def agent_section(endpoint):
    return {"agent": {"metrics_collection_interval": 60, "region": "eu-west-1"},
            "metrics": {"namespace": "Footprint", "endpoint_override": endpoint, "metrics_collected": PLUGINS}}


def start(arguments, endpoint, stderr):
    # Nothing of the caller's environment: a certificate bundle in it would be loaded as well.
    env = {"PATH": os.environ["PATH"], "AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "AKSIM000000000000", "AWS_SECRET_ACCESS_KEY": "simulated",
           "AWS_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true"}
    return subprocess.Popen(arguments, env=env, stdout=subprocess.DEVNULL, stderr=stderr)


def start_milliseconds(o, config, endpoint, stderr):
    best = []
    for _ in range(5):
        port, begin = free_port(), time.perf_counter()
        child = start([o.binary, "agent", "--config", config, "--web.listen-address", f"127.0.0.1:{port}"], endpoint, stderr)
        wait_listening(port, child)
        best.append((time.perf_counter() - begin) * 1000)
        child.terminate()
        child.wait()
    return sorted(best)[2]


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--binary", default="target/release/raingauge")
    a.add_argument("--seconds", type=int, default=300)
    a.add_argument("--instances", type=int, default=252, help="of the bridge, in each of two regions, 20 metrics each")
    o = a.parse_args()
    with tempfile.TemporaryDirectory() as folder, open(os.path.join(folder, "log"), "w") as log:
        port = free_port()
        flag = "--web.listen-address" if "web.listen-address" in subprocess.run([o.binary, "sim", "--help"], capture_output=True, text=True).stdout else "--listen"
        sim = subprocess.Popen([o.binary, "sim", flag, f"127.0.0.1:{port}", "--resources", str(o.instances), "--services", "AWS/EC2"],
                               stdout=subprocess.DEVNULL, stderr=log)
        wait_listening(port, sim)
        endpoint, alone_file, both_file = f"http://127.0.0.1:{port}", os.path.join(folder, "agent.json"), os.path.join(folder, "both.yml")
        with open(alone_file, "w") as f:
            json.dump(agent_section(endpoint), f)
        job = {"type": "AWS/EC2", "regions": ["eu-west-1", "us-east-1"],
               "metrics": [{"name": m, "statistics": ["Average"], "period": 300} for m in METRICS]}
        with open(both_file, "w") as f:
            json.dump({"aws": {"interval": "5m", "discovery": {"jobs": [job]}}, "agent": agent_section(endpoint)}, f)
        first = start_milliseconds(o, alone_file, endpoint, log)
        bridge_port = free_port()
        children = {
            "agent alone": start([o.binary, "agent", "--config", alone_file], endpoint, log),
            "agent and bridge": start([o.binary, "run", "--config", both_file, "--web.listen-address", f"127.0.0.1:{bridge_port}"], endpoint, log),
        }
        time.sleep(o.seconds)
        print(f"start to listening: {first:.0f} ms (median of five)")
        for name, child in children.items():
            if child.poll() is not None:
                print(open(os.path.join(folder, "log")).read(), file=sys.stderr)
                sys.exit(f"{name} has ended")
            cpu = cpu_seconds(child.pid)
            print(f"{name}: RSS {memory_mb(child.pid, 'VmRSS'):.1f} MB, highest {memory_mb(child.pid, 'VmHWM'):.1f} MB, of it "
                  f"{memory_mb(child.pid, 'RssAnon'):.1f} MB anonymous; {cpu:.2f} CPU-s in {o.seconds} s, {100 * cpu / o.seconds:.3f} % of a core; "
                  f"{memory_mb(child.pid, 'Threads') * 1024:.0f} threads")
        for child in [*children.values(), sim]:
            child.terminate()
            child.wait()
        for line in open(os.path.join(folder, "log")):
            if "ERROR" in line or "WARN" in line:
                print("log:", line.rstrip())


if __name__ == "__main__":
    main()
