"""A second simulated AWS, not ours: moto, with what raingauge looks for in it.

moto does not speak the protocol of today's CloudWatch clients (smithy RPC v2 in CBOR). A small proxy in front of it
translates these calls to the JSON that moto knows, and passes everything else on as it is.

Prints one line of JSON when everything is there (the endpoint, and what was created), then serves until its standard
input is closed. Needs the packages of requirements.txt.
"""

import datetime
import gzip
import http.client
import io
import json
import logging
import re
import sys
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import boto3
import cbor2
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

REGION = "eu-west-1"
ACCOUNT = "111122223333"  # the role's account; the keys that the test gives to raingauge belong to moto's own
ALIAS = "moto-and-friends"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/raingauge"
CBOR_CALL = re.compile(r"^/service/(?P<service>[^/]+)/operation/(?P<operation>[^/]+)$")
NOT_FORWARDED = {"connection", "content-length", "content-encoding", "content-type", "transfer-encoding"}
TIMES = {"Timestamp", "Timestamps", "StartTime", "EndTime"}
NUMBERS = {"Values", "Average", "Sum", "Minimum", "Maximum", "SampleCount"}


def plain(value):
    """CBOR's values as JSON has them: a time becomes seconds."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    if isinstance(value, datetime.datetime):
        return value.timestamp()
    return value


def typed(value, key=""):
    """JSON's values as a CBOR client expects them: a time is tagged, a measured number is never an integer."""
    if isinstance(value, dict):
        return {name: typed(inner, name) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [typed(inner, key) for inner in value]
    if key in TIMES:
        return cbor2.CBORTag(1, seconds(value))
    if key in NUMBERS and isinstance(value, (int, float)):
        return float(value)
    return value


def seconds(value):
    if isinstance(value, (int, float)):
        return float(value)
    return datetime.datetime.fromisoformat(value.replace("Z", "+00:00")).timestamp()


def understood(answer):
    """moto's JSON; when moto failed inside and answers a web page, an error in JSON's place."""
    try:
        return json.loads(answer or b"{}")
    except ValueError:
        return {"__type": "InternalServiceFault", "message": "moto failed on this request"}


class Bridge(BaseHTTPRequestHandler):
    """Forwards to moto; `moto` (host, port) is set before it serves."""

    protocol_version = "HTTP/1.1"
    moto = None

    def forward(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in NOT_FORWARDED}
        call = CBOR_CALL.match(self.path)
        if call:
            headers["Content-Type"] = "application/x-amz-json-1.0"
            headers["X-Amz-Target"] = f"{call['service']}.{call['operation']}"
            body = json.dumps(plain(cbor2.loads(body)) if body else {}).encode()
        elif self.headers.get("Content-Type"):
            headers["Content-Type"] = self.headers["Content-Type"]
        status, kind, answer = self.ask("/" if call else self.path, body, headers)
        if call:
            answer = cbor2.dumps(typed(understood(answer)))
            kind = "application/cbor"
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(answer)))
        if call:
            self.send_header("smithy-protocol", "rpc-v2-cbor")
        self.end_headers()
        self.wfile.write(answer)

    def ask(self, path, body, headers):
        moto = http.client.HTTPConnection(*self.moto, timeout=60)
        try:
            moto.request(self.command, path, body, headers)
            answer = moto.getresponse()
            return answer.status, answer.getheader("Content-Type", "application/octet-stream"), answer.read()
        finally:
            moto.close()

    do_GET = do_POST = do_PUT = forward

    def log_message(self, format, *args):
        pass


def serve():
    """Starts moto and the bridge; returns the bridge's address."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    Bridge.moto = moto.get_host_and_port()
    bridge = ThreadingHTTPServer(("127.0.0.1", 0), Bridge)
    Thread(target=bridge.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{bridge.server_address[1]}"


def clients(endpoint):
    """boto3 clients in the role's account."""
    common = {"endpoint_url": endpoint, "region_name": REGION}
    own = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    sts = boto3.client("sts", **common, **own)
    keys = sts.assume_role(RoleArn=ROLE, RoleSessionName="setup")["Credentials"]
    assumed = {
        "aws_access_key_id": keys["AccessKeyId"],
        "aws_secret_access_key": keys["SecretAccessKey"],
        "aws_session_token": keys["SessionToken"],
    }
    return lambda service: boto3.client(service, **common, **assumed)


def create(client):
    """Resources with tags, and an hour of metrics; returns what the test wants to find."""
    trust = {"Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}
    client("iam").create_role(RoleName="raingauge", AssumeRolePolicyDocument=json.dumps(trust))
    client("iam").create_account_alias(AccountAlias=ALIAS)
    instances = {name: instance(client("ec2"), name, env) for name, env in [("web", "prod"), ("spare", "test")]}
    sqs = client("sqs")
    queue = sqs.create_queue(QueueName="jobs", tags={"team": "delivery \"fast\""})["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    function_arn = function(client("lambda"))
    metrics(client("cloudwatch"), instances)
    return {"instances": instances, "queue_arn": queue_arn, "function_arn": function_arn}


def instance(ec2, name, env):
    tags = [{"Key": "Name", "Value": name}, {"Key": "env", "Value": env}]
    answer = ec2.run_instances(
        ImageId="ami-12c6146b",
        MinCount=1,
        MaxCount=1,
        InstanceType="t3.micro",
        TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
    )
    return answer["Instances"][0]["InstanceId"]


def function(client):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as z:
        z.writestr("main.py", "def handler(event, context):\n    return event\n")
    return client.create_function(
        FunctionName="pay",
        Runtime="python3.12",
        Role=ROLE,
        Handler="main.handler",
        Code={"ZipFile": archive.getvalue()},
        Tags={"team": "money"},
    )["FunctionArn"]


def metrics(cloudwatch, instances):
    """One value a minute, always the same for a series: whatever period it is asked for, the average is that value."""
    now = datetime.datetime.now(datetime.timezone.utc).replace(second=0, microsecond=0)
    series = [
        ("AWS/EC2", "CPUUtilization", {"InstanceId": instances["web"]}, 42.5),
        ("AWS/EC2", "CPUUtilization", {"InstanceId": instances["spare"]}, 7.25),
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": "jobs"}, 12.0),
        ("AWS/Lambda", "Duration", {"FunctionName": "pay"}, 1234567.0),
    ]
    for namespace, name, dimensions, value in series:
        listed = [{"Name": key, "Value": text} for key, text in dimensions.items()]
        points = [
            {"MetricName": name, "Dimensions": listed, "Timestamp": at, "Value": value}
            for at in (now - datetime.timedelta(minutes=ago) for ago in range(60))
        ]
        cloudwatch.put_metric_data(Namespace=namespace, MetricData=points)


def main():
    endpoint = serve()
    found = create(clients(endpoint))
    facts = {"endpoint": endpoint, "region": REGION, "account": ACCOUNT, "alias": ALIAS, "role": ROLE, **found}
    print(json.dumps(facts), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
