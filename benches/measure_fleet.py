#!/usr/bin/env python3
"""Many accounts: 1,000 roles, 4 regions, 5 jobs against the simulated cloud (its own process); one role is refused.

    cargo build --release && python3 benches/measure_fleet.py

CPU is user+system time of the daemon alone, from /proc. Python's standard library only."""
import argparse, http.client, os, re, signal, subprocess, tempfile, time
from measure import cpu_seconds, free_port, memory_mb, wait_listening

JOBS = {"AWS/EC2": "CPUUtilization", "AWS/SQS": "NumberOfMessagesSent", "AWS/Lambda": "Errors",
        "AWS/DynamoDB": "ConsumedReadCapacityUnits", "AWS/RDS": "CPUUtilization"}
REGIONS = ["eu-central-1", "eu-west-1", "us-east-1", "us-west-2"]


def config(roles):
    arns = [f"{{roleArn: 'arn:aws:iam::{n:012}:role/reader'}}" for n in range(1, roles)]
    # Nobody has this account.
    arns.append("{roleArn: 'arn:aws:iam::999999999999:role/reader'}")
    jobs = [f"      - type: {namespace}\n        metrics: [{{name: {metric}, statistics: [Sum], length: 3600}}]\n" for namespace, metric in JOBS.items()]
    return (f"aws:\n  interval: 1h\n  regions: [{', '.join(REGIONS)}]\n  roles: [{', '.join(arns)}]\n"
            "  concurrency: {listMetrics: 50, getMetricData: 50, tagging: 50}\n  discovery:\n    jobs:\n" + "".join(jobs))


def get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--binary", default="target/release/raingauge")
    a.add_argument("--roles", type=int, default=1000)
    o = a.parse_args()
    targets = o.roles * len(REGIONS) * len(JOBS)
    with tempfile.TemporaryDirectory() as folder, open(os.path.join(folder, "log"), "w") as log:
        port = free_port()
        sim = subprocess.Popen([o.binary, "sim", "--web.listen-address", f"127.0.0.1:{port}", "--resources", "1", "--services", ",".join(JOBS),
                                "--accounts", str(o.roles), "--regions", ",".join(REGIONS)], stdout=subprocess.DEVNULL, stderr=log)
        wait_listening(port, sim)
        file, own = os.path.join(folder, "raingauge.yml"), free_port()
        with open(file, "w") as f:
            f.write(config(o.roles))
        env = {"PATH": os.environ["PATH"], "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_ACCESS_KEY_ID": "AKSIM000000000000",
               "AWS_SECRET_ACCESS_KEY": "simulated", "AWS_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true"}
        begin = time.perf_counter()
        daemon = subprocess.Popen([o.binary, "run", "--config", file, "--web.listen-address", f"127.0.0.1:{own}"], env=env,
                                  stdout=subprocess.DEVNULL, stderr=log)
        wait_listening(own, daemon)
        print(f"{o.roles} roles, {targets} targets; listening after {(time.perf_counter() - begin) * 1000:.0f} ms", flush=True)
        good = (o.roles - 1) * len(REGIONS) * len(JOBS)
        while True:
            page = get(own, "/metrics")[1]
            done = len(re.findall(r'raingauge_job_last_success_timestamp_seconds{[^}]*run="fetch"[^}]*} [1-9]', page))
            if done >= good:
                break
            time.sleep(2)
        print(f"all values of the {o.roles - 1} good roles after {time.perf_counter() - begin:.0f} s; {cpu_seconds(daemon.pid):.1f} CPU-s; "
              f"RSS {memory_mb(daemon.pid, 'VmRSS'):.0f} MB, highest {memory_mb(daemon.pid, 'VmHWM'):.0f} MB", flush=True)
        calls = lambda name: sum(float(v) for v in re.findall(rf'raingauge_api_calls_total{{[^}}]*operation="{name}"[^}}]*}} (\S+)', page))
        print("calls: " + ", ".join(f"{name} {calls(name):.0f}" for name in ("AssumeRole", "GetCallerIdentity", "ListAccountAliases", "GetResources", "ListMetrics", "GetMetricData")))
        for process in (daemon, sim):
            process.send_signal(signal.SIGTERM)
            process.wait()


if __name__ == "__main__":
    main()
