"""Thousands of clients that are slow on purpose, against one raingauge: do scrapes go on, and what does it take?

    python3 benches/crowd.py [--program target/release/raingauge] [--connections 10000] [--same-address]

A quarter of them says nothing, a quarter sends a byte of a request every few seconds, a quarter sends a large head without an
end, a quarter asks and never reads. They come from 127.0.0.2 and up to --peers addresses of the loopback (or, with --same-address, from the
scraper's own). The scraper asks once a second on a connection of its own that it keeps, and once on a new one.
"""

import argparse
import resource
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONFIG = "aws: {interval: 1h, static: [{name: n, namespace: s, regions: [r], metrics: [{name: m, statistics: [Sum]}]}]}\n"
REQUEST = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"


def memory_bytes(process):
    status = Path(f"/proc/{process}/status").read_text()
    return {key: int(value.split()[0]) * 1024 for key, value in (line.split(":", 1) for line in status.splitlines()) if key in ("VmRSS", "VmHWM")}


def cpu_seconds(process):
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def scrape(connection):
    """One page over a connection that stays open; its seconds and its text."""
    begun = time.monotonic()
    connection.sendall(REQUEST)
    got = b""
    while b"\r\n\r\n" not in got:
        piece = connection.recv(65536)
        if not piece:
            raise ConnectionError("the scraper was thrown out")
        got += piece
    head, body = got.split(b"\r\n\r\n", 1)
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    while len(body) < length:
        piece = connection.recv(65536)
        if not piece:
            raise ConnectionError("the scraper was thrown out")
        body += piece
    return time.monotonic() - begun, body.decode()


def crowd_member(number, address, same_address, peers):
    client = socket.socket()
    client.settimeout(5)
    if not same_address:
        client.bind((f"127.0.0.{2 + number % peers}", 0))
    client.connect(address)
    kind = number % 4
    try:
        if kind == 1:
            client.send(b"G")
        elif kind == 2:
            client.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow: " + b"x" * 30_000)
        elif kind == 3:
            client.send(REQUEST * 200)
    except OSError:
        pass
    client.setblocking(False)
    return client


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default="target/release/raingauge")
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--peers", type=int, default=1)
    parser.add_argument("--same-address", action="store_true")
    arguments = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if most < arguments.connections + 100:
        sys.exit(f"this machine allows {most} file descriptors: ulimit -Hn")

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "raingauge.yml").write_text(CONFIG)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = free.getsockname()
        command = [str(Path(arguments.program).resolve()), "run", "--config", f"{folder}/raingauge.yml"]
        command += ["--web.listen-address", "%s:%d" % address, "--log.level", "error"]
        environment = {"HOME": folder, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_REGION": "r", "AWS_EC2_METADATA_DISABLED": "true"}
        with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as daemon:
            try:
                run(daemon.pid, address, arguments)
            finally:
                daemon.terminate()


def connected(address):
    for _ in range(100):
        try:
            return socket.create_connection(address, 10)
        except ConnectionRefusedError:
            time.sleep(0.05)
    sys.exit("it does not listen")


def run(process, address, arguments):
    kept = connected(address)
    scrape(kept)
    time.sleep(1)
    before, cpu_before, begun = memory_bytes(process), cpu_seconds(process), time.monotonic()
    crowd, kept_seconds, new_seconds, lost, failed = [], [], [], 0, 0

    def look():
        nonlocal kept, lost, failed
        try:
            kept_seconds.append(scrape(kept)[0])
        except OSError:
            lost += 1
            kept = connected(address)
        started = time.monotonic()
        try:
            with socket.create_connection(address, 10) as new:
                scrape(new)
            new_seconds.append(time.monotonic() - started)
        except OSError:
            failed += 1

    last = time.monotonic()
    for number in range(arguments.connections):
        try:
            crowd.append(crowd_member(number, address, arguments.same_address, arguments.peers))
        except OSError as error:
            sys.exit(f"the crowd could not connect: {error}")
        if time.monotonic() - last > 1:
            look()
            last = time.monotonic()
    arrived = time.monotonic() - begun
    # And now they stay, some of them a byte at a time.
    for _ in range(15):
        for client in crowd[1::4]:
            try:
                client.send(b"E")
            except OSError:
                pass
        look()
        time.sleep(1)
    page = scrape(kept)[1]
    after = memory_bytes(process)
    print(f"{arguments.connections} connections of {'the scraper' if arguments.same_address else f'{arguments.peers} other'} address(es) in {arrived:.1f} s, held for 15 s more")
    print(f"scrapes on the kept connection: {len(kept_seconds)}, at most {max(kept_seconds):.3f} s; it was closed {lost} times")
    print(f"scrapes on a new connection:    {len(new_seconds)}, at most {max(new_seconds):.3f} s; {failed} failed")
    print(f"memory: {before['VmRSS'] / 1e6:.1f} MB before, {after['VmRSS'] / 1e6:.1f} MB after, {after['VmHWM'] / 1e6:.1f} MB at most")
    print(f"CPU: {cpu_seconds(process) - cpu_before:.1f} s")
    for line in page.splitlines():
        if line.startswith("raingauge_http_"):
            print(" ", line)


if __name__ == "__main__":
    main()
