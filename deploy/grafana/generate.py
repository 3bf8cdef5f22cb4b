#!/usr/bin/env python3
"""Writes the dashboards in dashboards/ from the tables below; with --check, says whether they are up to date.

A dashboard is a list of rows, a row a list of panels: (title, unit, query, legend) or more (query, legend) pairs. Every
query names its data source by the variable `datasource`, so the files work with any Grafana. `tests/deploy.rs` runs all
queries against `raingauge demo`.
"""

import json
import pathlib
import sys

HERE = pathlib.Path(__file__).parent
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH, HEIGHT, ACROSS = 8, 8, 3  # of a panel, on a grid that is 24 wide

AWS = 'account_id=~"$account",region=~"$region"'
GCP = 'project_id=~"$project"'
HOST = 'instance=~"$instance"'


def panel(title, unit, *queries, kind="timeseries", text="", thresholds=()):
    """A panel; `queries` are query, legend, query, legend, …"""
    return {"title": title, "unit": unit, "kind": kind, "text": text, "thresholds": thresholds,
            "queries": list(zip(queries[::2], queries[1::2], strict=True))}


def stat(title, unit, query, text="", thresholds=()):
    return panel(title, unit, query, "", kind="stat", text=text, thresholds=thresholds)


def variable(name, label, metric):
    """A variable that offers the values of a label of a metric."""
    query = f"label_values({metric}, {label})"
    return {"name": name, "label": name, "type": "query", "datasource": DATASOURCE, "definition": query,
            "query": {"query": query, "refId": "StandardVariableQuery"}, "refresh": 2, "sort": 1, "multi": True,
            "includeAll": True, "allValue": ".*", "current": {"text": ["All"], "value": ["$__all"]}, "options": []}


def aws(metric):
    return [variable("account", "account_id", metric), variable("region", "region", metric)]


def top(metric, by, more="", n=10, how="max"):
    """The largest ones of an AWS metric, by some of its labels."""
    return f"topk({n}, {how} by ({by}) ({metric}{{{AWS}{more}}}))"


def total(metric, more="", by="region"):
    return f"sum by ({by}) ({metric}{{{AWS}{more}}})"


COST = 'raingauge_estimated_cost_dollars_total{reading="%s",' + HOST + "}"
MONTH = "86400 * 30"

BRIDGE = ("raingauge", "raingauge: health and cost", [variable("instance", "instance", "raingauge_build_info")], {
    "Now": [
        stat("Bridges up", "short", f"count(raingauge_build_info{{{HOST}}})"),
        stat("Jobs whose values are older than 15 minutes", "short",
             f'count(raingauge_job_age_seconds{{run="fetch",{HOST}}} > 900) or vector(0)', thresholds=[1]),
        stat("Series", "short", f"sum(raingauge_job_series{{{HOST}}})"),
        stat("Dollars a month, dearer reading", "currencyUSD",
             f"sum(rate({COST % 'per_statistic'}[1h])) * {MONTH}",
             text="At the rate of the last hour, by list price, without free tiers. docs/cost.md explains the two readings."),
        stat("Dollars a month, cheaper reading", "currencyUSD", f"sum(rate({COST % 'per_block'}[1h])) * {MONTH}"),
        stat("Configuration loaded", "bool_yes_no", f"min(raingauge_config_last_reload_successful{{{HOST}}})"),
    ],
    "Jobs": [
        panel("Age of the values", "s",
              f'topk(10, max by (exported_job, job, region, account) (raingauge_job_age_seconds{{run="fetch",{HOST}}}))',
              "{{exported_job}} {{job}} {{region}} {{account}}"),
        panel("Duration of the last run", "s",
              f"topk(10, max by (exported_job, job, region, account, run) (raingauge_job_last_run_duration_seconds{{{HOST}}}))",
              "{{exported_job}} {{job}} {{region}} {{account}} {{run}}"),
        panel("Failures", "short",
              f"sum by (exported_job, job, reason) (increase(raingauge_job_failures_total{{{HOST}}}[15m])) > 0",
              "{{exported_job}} {{job}} {{reason}}", text="In 15 minutes. The status page says what to do about each."),
        panel("Series by job", "short", f"topk(10, sum by (exported_job, job) (raingauge_job_series{{{HOST}}}))",
              "{{exported_job}} {{job}}"),
        panel("Resources by job", "short", f"topk(10, sum by (exported_job, job) (raingauge_job_resources{{{HOST}}}))",
              "{{exported_job}} {{job}}"),
        panel("Left out beyond maxSeries", "short",
              f"sum by (exported_job, job) (raingauge_job_left_out_series{{{HOST}}}) > 0", "{{exported_job}} {{job}}"),
    ],
    "Calls": [
        panel("Calls by operation", "reqps", f"sum by (operation) (rate(raingauge_api_calls_total{{{HOST}}}[5m]))",
              "{{operation}}"),
        panel("Failed calls", "reqps",
              f"sum by (operation, reason) (rate(raingauge_api_failed_calls_total{{{HOST}}}[5m]))",
              "{{operation}} {{reason}}"),
        panel("Throttled attempts", "reqps",
              f"sum by (operation, account, region) (rate(raingauge_api_throttles_total{{{HOST}}}[5m]))",
              "{{operation}} {{account}} {{region}}"),
        panel("Duration of calls", "s",
              f"histogram_quantile(0.95, sum by (le, operation) (rate(raingauge_api_call_duration_seconds_bucket{{{HOST}}}[5m])))",
              "95 % of {{operation}}"),
        panel("Retries", "reqps", f"sum by (operation) (rate(raingauge_api_retries_total{{{HOST}}}[5m]))", "{{operation}}"),
        panel("Metrics requested", "short",
              f"sum by (account, reading) (rate(raingauge_metrics_requested_total{{{HOST}}}[1h])) * 3600",
              "{{account}} {{reading}}", text="In an hour; what GetMetricData is billed by."),
    ],
    "Cost": [
        panel("Dollars a month by account", "currencyUSD",
              f"sum by (account) (rate({COST % 'per_statistic'}[1h])) * {MONTH}", "{{account}}"),
        panel("Dollars a month by operation", "currencyUSD",
              f"sum by (operation) (rate({COST % 'per_statistic'}[1h])) * {MONTH}", "{{operation}}"),
        panel("Dollars in the last day", "currencyUSD", f"sum by (account) (increase({COST % 'per_statistic'}[1d]))",
              "{{account}}"),
    ],
    "The agent": [
        panel("Data that wait", "short", f"sum by (instance) (raingauge_push_queue_data{{{HOST}}})", "{{instance}}"),
        panel("Data sent, and lost", "short", f"rate(raingauge_push_sent_data_total{{{HOST}}}[5m])", "sent {{instance}}",
              f"rate(raingauge_push_lost_data_total{{{HOST}}}[5m])", "lost {{instance}} {{reason}}"),
        panel("Pushing, dollars a month", "currencyUSD",
              f"raingauge_push_estimated_cost_dollars_per_month{{{HOST}}}", "{{instance}}"),
    ],
    "The process": [
        panel("Memory", "bytes", f"process_resident_memory_bytes{{{HOST}}} and on (instance) raingauge_build_info",
              "{{instance}}"),
        panel("Processor", "percentunit",
              f"rate(process_cpu_seconds_total{{{HOST}}}[5m]) and on (instance) raingauge_build_info", "{{instance}}"),
        panel("Open files", "short", f"process_open_fds{{{HOST}}} and on (instance) raingauge_build_info", "{{instance}}"),
    ],
})

EC2 = ("aws-ec2", "AWS: EC2", aws("aws_ec2_cpuutilization_average"), {
    "Instances": [
        stat("Instances with data", "short", f"count(aws_ec2_cpuutilization_average{{{AWS}}})"),
        stat("Above 80 % CPU", "short", f"count(aws_ec2_cpuutilization_average{{{AWS}}} > 80) or vector(0)", thresholds=[1]),
        stat("Failed status checks", "short", f"sum(aws_ec2_status_check_failed_maximum{{{AWS}}})", thresholds=[1]),
        panel("CPU, average", "percent", top("aws_ec2_cpuutilization_average", "dimension_InstanceId, tag_Name"),
              "{{tag_Name}} {{dimension_InstanceId}}"),
        panel("CPU, maximum", "percent", top("aws_ec2_cpuutilization_maximum", "dimension_InstanceId, tag_Name"),
              "{{tag_Name}} {{dimension_InstanceId}}"),
        panel("Lowest CPU credit balance", "short",
              f"bottomk(10, min by (dimension_InstanceId, tag_Name) (aws_ec2_cpucredit_balance_average{{{AWS}}}))",
              "{{tag_Name}} {{dimension_InstanceId}}"),
    ],
    "Network and disks (sums of a period)": [
        panel("Network in", "bytes", top("aws_ec2_network_in_sum", "dimension_InstanceId, tag_Name"),
              "{{tag_Name}} {{dimension_InstanceId}}"),
        panel("Network out", "bytes", top("aws_ec2_network_out_sum", "dimension_InstanceId, tag_Name"),
              "{{tag_Name}} {{dimension_InstanceId}}"),
        panel("Lowest EBS byte balance", "percent",
              f"bottomk(10, min by (dimension_InstanceId, tag_Name) (aws_ec2_ebsbyte_balance_percent_average{{{AWS}}}))",
              "{{tag_Name}} {{dimension_InstanceId}}"),
        panel("EBS reads", "short", top("aws_ec2_ebsread_ops_sum", "dimension_InstanceId, tag_Name"),
              "{{tag_Name}} {{dimension_InstanceId}}"),
        panel("EBS writes", "short", top("aws_ec2_ebswrite_ops_sum", "dimension_InstanceId, tag_Name"),
              "{{tag_Name}} {{dimension_InstanceId}}"),
        panel("Failed checks by instance", "short",
              f"aws_ec2_status_check_failed_maximum{{{AWS}}} > 0", "{{tag_Name}} {{dimension_InstanceId}}"),
    ],
})

FUNCTION = ',dimension_FunctionName!=""'
LAMBDA = ("aws-lambda", "AWS: Lambda", aws("aws_lambda_invocations_sum"), {
    "Functions (sums of a period)": [
        stat("Functions with data", "short", f"count(aws_lambda_invocations_sum{{{AWS}{FUNCTION}}})"),
        stat("Errors of 100 invocations", "percent",
             f"100 * sum(aws_lambda_errors_sum{{{AWS}{FUNCTION}}}) / sum(aws_lambda_invocations_sum{{{AWS}{FUNCTION}}})",
             thresholds=[1, 5]),
        stat("Throttles", "short", f"sum(aws_lambda_throttles_sum{{{AWS}{FUNCTION}}})", thresholds=[1]),
        panel("Invocations", "short", top("aws_lambda_invocations_sum", "dimension_FunctionName, region", FUNCTION),
              "{{dimension_FunctionName}} {{region}}"),
        panel("Errors", "short", top("aws_lambda_errors_sum", "dimension_FunctionName, region", FUNCTION),
              "{{dimension_FunctionName}} {{region}}"),
        panel("Throttles by function", "short", top("aws_lambda_throttles_sum", "dimension_FunctionName, region", FUNCTION),
              "{{dimension_FunctionName}} {{region}}"),
        panel("Duration, average", "ms", top("aws_lambda_duration_average", "dimension_FunctionName, region"),
              "{{dimension_FunctionName}} {{region}}"),
        panel("Duration, p99", "ms", top("aws_lambda_duration_p99", "dimension_FunctionName, region"),
              "{{dimension_FunctionName}} {{region}}"),
        panel("Age of stream records", "ms", top("aws_lambda_iterator_age_average", "dimension_FunctionName, region"),
              "{{dimension_FunctionName}} {{region}}"),
        panel("Concurrent executions", "short",
              top("aws_lambda_concurrent_executions_average", "dimension_FunctionName, region", FUNCTION),
              "{{dimension_FunctionName}} {{region}}"),
        panel("Errors of dead-letter queues", "short",
              top("aws_lambda_dead_letter_errors_sum", "dimension_FunctionName, region"),
              "{{dimension_FunctionName}} {{region}}"),
        panel("Concurrency in use, unreserved", "short",
              f"max by (account_id, region) (aws_lambda_unreserved_concurrent_executions_average{{{AWS}}})",
              "{{account_id}} {{region}}"),
    ],
})

QUEUE = "dimension_QueueName, region"
DLQ = ',dimension_QueueName=~"(?i).*(dlq|dead.?letter).*"'
SQS = ("aws-sqs", "AWS: SQS", aws("aws_sqs_approximate_number_of_messages_visible_average"), {
    "Queues": [
        stat("Messages waiting", "short", f"sum(aws_sqs_approximate_number_of_messages_visible_average{{{AWS}}})"),
        stat("Oldest message", "s", f"max(aws_sqs_approximate_age_of_oldest_message_average{{{AWS}}})"),
        stat("In dead-letter queues", "short",
             f"sum(aws_sqs_approximate_number_of_messages_visible_average{{{AWS}{DLQ}}}) or vector(0)",
             text="Queues whose name contains dlq, dead-letter or the like.", thresholds=[1]),
        panel("Waiting", "short", top("aws_sqs_approximate_number_of_messages_visible_average", QUEUE),
              "{{dimension_QueueName}} {{region}}"),
        panel("Age of the oldest message", "s", top("aws_sqs_approximate_age_of_oldest_message_average", QUEUE),
              "{{dimension_QueueName}} {{region}}"),
        panel("In flight", "short", top("aws_sqs_approximate_number_of_messages_not_visible_average", QUEUE),
              "{{dimension_QueueName}} {{region}}"),
        panel("Sent in a period", "short", top("aws_sqs_number_of_messages_sent_sum", QUEUE),
              "{{dimension_QueueName}} {{region}}"),
        panel("Received in a period", "short", top("aws_sqs_number_of_messages_received_sum", QUEUE),
              "{{dimension_QueueName}} {{region}}"),
        panel("Deleted in a period", "short", top("aws_sqs_number_of_messages_deleted_sum", QUEUE),
              "{{dimension_QueueName}} {{region}}"),
        panel("Size of messages", "bytes", top("aws_sqs_sent_message_size_average", QUEUE),
              "{{dimension_QueueName}} {{region}}"),
        panel("Empty receives in a period", "short", top("aws_sqs_number_of_empty_receives_sum", QUEUE),
              "{{dimension_QueueName}} {{region}}", text="Each is a request that is paid for: long polling has fewer."),
        panel("Delayed", "short", top("aws_sqs_approximate_number_of_messages_delayed_average", QUEUE),
              "{{dimension_QueueName}} {{region}}"),
    ],
})

SERVICE = ',dimension_ServiceName!=""'
CLUSTER = ',dimension_ServiceName=""'
ECS = ("aws-ecs", "AWS: ECS", aws("aws_ecs_cpuutilization_average"), {
    "Services": [
        panel("CPU, average", "percent",
              top("aws_ecs_cpuutilization_average", "dimension_ClusterName, dimension_ServiceName", SERVICE),
              "{{dimension_ClusterName}} {{dimension_ServiceName}}"),
        panel("CPU, maximum", "percent",
              top("aws_ecs_cpuutilization_maximum", "dimension_ClusterName, dimension_ServiceName", SERVICE),
              "{{dimension_ClusterName}} {{dimension_ServiceName}}"),
        panel("Memory, average", "percent",
              top("aws_ecs_memory_utilization_average", "dimension_ClusterName, dimension_ServiceName", SERVICE),
              "{{dimension_ClusterName}} {{dimension_ServiceName}}"),
    ],
    "Clusters": [
        panel("CPU", "percent", top("aws_ecs_cpuutilization_average", "dimension_ClusterName, region", CLUSTER),
              "{{dimension_ClusterName}} {{region}}"),
        panel("CPU reserved", "percent", top("aws_ecs_cpureservation_average", "dimension_ClusterName, region"),
              "{{dimension_ClusterName}} {{region}}"),
        panel("Memory reserved", "percent", top("aws_ecs_memory_reservation_average", "dimension_ClusterName, region"),
              "{{dimension_ClusterName}} {{region}}"),
    ],
})

DB = "dimension_DBInstanceIdentifier, region"
RDS = ("aws-rds", "AWS: RDS", aws("aws_rds_cpuutilization_average"), {
    "Instances": [
        panel("CPU", "percent", top("aws_rds_cpuutilization_average", DB), "{{dimension_DBInstanceIdentifier}} {{region}}"),
        panel("Connections", "short", top("aws_rds_database_connections_average", DB),
              "{{dimension_DBInstanceIdentifier}} {{region}}"),
        panel("Least free storage", "bytes",
              f"bottomk(10, min by ({DB}) (aws_rds_free_storage_space_average{{{AWS}}}))",
              "{{dimension_DBInstanceIdentifier}} {{region}}"),
        panel("Least free memory", "bytes", f"bottomk(10, min by ({DB}) (aws_rds_freeable_memory_average{{{AWS}}}))",
              "{{dimension_DBInstanceIdentifier}} {{region}}"),
        panel("Swap", "bytes", top("aws_rds_swap_usage_average", DB), "{{dimension_DBInstanceIdentifier}} {{region}}"),
        panel("Disk queue", "short", top("aws_rds_disk_queue_depth_average", DB),
              "{{dimension_DBInstanceIdentifier}} {{region}}"),
    ],
    "Reads and writes": [
        panel("Read latency", "s", top("aws_rds_read_latency_average", DB), "{{dimension_DBInstanceIdentifier}} {{region}}"),
        panel("Write latency", "s", top("aws_rds_write_latency_average", DB),
              "{{dimension_DBInstanceIdentifier}} {{region}}"),
        panel("Reads and writes", "iops", total("aws_rds_read_iops_average"), "reads {{region}}",
              total("aws_rds_write_iops_average"), "writes {{region}}"),
        panel("Read throughput", "Bps", top("aws_rds_read_throughput_average", DB),
              "{{dimension_DBInstanceIdentifier}} {{region}}"),
        panel("Write throughput", "Bps", top("aws_rds_write_throughput_average", DB),
              "{{dimension_DBInstanceIdentifier}} {{region}}"),
        panel("Network", "Bps", total("aws_rds_network_receive_throughput_average"), "received {{region}}",
              total("aws_rds_network_transmit_throughput_average"), "sent {{region}}"),
    ],
})

S3 = ("aws-s3", "AWS: S3", aws("aws_s3_bucket_size_bytes_average"), {
    "Storage (measured once a day)": [
        stat("Size of all buckets", "bytes", f"sum(aws_s3_bucket_size_bytes_average{{{AWS}}})"),
        stat("Objects", "short", f"sum(aws_s3_number_of_objects_average{{{AWS}}})"),
        stat("Buckets", "short", f"count(count by (dimension_BucketName) (aws_s3_bucket_size_bytes_average{{{AWS}}}))"),
        panel("Largest buckets", "bytes",
              top("aws_s3_bucket_size_bytes_average", "dimension_BucketName", how="sum"), "{{dimension_BucketName}}"),
        panel("Most objects", "short", top("aws_s3_number_of_objects_average", "dimension_BucketName"),
              "{{dimension_BucketName}}"),
        panel("By storage class", "bytes", total("aws_s3_bucket_size_bytes_average", by="dimension_StorageType"),
              "{{dimension_StorageType}}"),
    ],
})

API = "dimension_ApiId, tag_Name"
APIGATEWAY = ("aws-apigateway", "AWS: API Gateway", aws("aws_apigateway_count_sum"), {
    "APIs (sums of a period)": [
        panel("Requests", "short", top("aws_apigateway_count_sum", API), "{{tag_Name}} {{dimension_ApiId}}"),
        panel("Errors of the client (4xx)", "short", top("aws_apigateway_4xx_sum", API), "{{tag_Name}} {{dimension_ApiId}}"),
        panel("Errors of the server (5xx)", "short", top("aws_apigateway_5xx_sum", API), "{{tag_Name}} {{dimension_ApiId}}"),
        panel("Latency, average", "ms", top("aws_apigateway_latency_average", API), "{{tag_Name}} {{dimension_ApiId}}"),
        panel("Latency, p99", "ms", top("aws_apigateway_latency_p99", API), "{{tag_Name}} {{dimension_ApiId}}"),
        panel("Latency of the integration, p99", "ms", top("aws_apigateway_integration_latency_p99", API),
              "{{tag_Name}} {{dimension_ApiId}}"),
    ],
})

RUN = "stackdriver_cloud_run_revision_run_googleapis_com_"
CLOUD_RUN = ("gcp-cloud-run", "Google: Cloud Run", [variable("project", "project_id", RUN + "request_count")], {
    "Services": [
        panel("Requests", "reqps", f"sum by (service_name) (rate({RUN}request_count{{{GCP}}}[5m]))", "{{service_name}}"),
        panel("Requests by status", "reqps", f"sum by (response_code) (rate({RUN}request_count{{{GCP}}}[5m]))",
              "{{response_code}}"),
        panel("Errors (5xx)", "percentunit",
              f'sum by (service_name) (rate({RUN}request_count{{{GCP},response_code=~"5.."}}[5m])) / '
              f"sum by (service_name) (rate({RUN}request_count{{{GCP}}}[5m]))", "{{service_name}}"),
        panel("Latency, half", "ms",
              f"histogram_quantile(0.5, sum by (le, service_name) (rate({RUN}request_latencies_bucket{{{GCP}}}[5m])))",
              "{{service_name}}"),
        panel("Latency, 95 %", "ms",
              f"histogram_quantile(0.95, sum by (le, service_name) (rate({RUN}request_latencies_bucket{{{GCP}}}[5m])))",
              "{{service_name}}"),
        panel("Instances", "short", f"sum by (service_name, state) ({RUN}container_instance_count{{{GCP}}})",
              "{{service_name}} {{state}}"),
    ],
})

UNDELIVERED = "stackdriver_pubsub_subscription_pubsub_googleapis_com_subscription_num_undelivered_messages"
PUBLISHED = "stackdriver_pubsub_topic_pubsub_googleapis_com_topic_send_message_operation_count"
PUBSUB = ("gcp-pubsub", "Google: Pub/Sub", [variable("project", "project_id", UNDELIVERED)], {
    "Subscriptions and topics": [
        stat("Undelivered", "short", f"sum({UNDELIVERED}{{{GCP}}})"),
        panel("Undelivered by subscription", "short",
              f"topk(10, sum by (project_id, subscription_id) ({UNDELIVERED}{{{GCP}}}))", "{{project_id}} {{subscription_id}}"),
        panel("Growth of what is undelivered, in an hour", "short",
              f"topk(10, sum by (subscription_id) (delta({UNDELIVERED}{{{GCP}}}[1h])))", "{{subscription_id}}"),
        panel("Published", "ops", f"topk(10, sum by (project_id, topic_id) (rate({PUBLISHED}{{{GCP}}}[5m])))",
              "{{project_id}} {{topic_id}}"),
        panel("Published, by answer", "ops", f"sum by (response_code) (rate({PUBLISHED}{{{GCP}}}[5m]))", "{{response_code}}"),
    ],
})

FUN = "stackdriver_cloud_function_cloudfunctions_googleapis_com_function_execution_"
CLOUD_FUNCTIONS = ("gcp-cloud-functions", "Google: Cloud Functions", [variable("project", "project_id", FUN + "count")], {
    "Functions": [
        panel("Executions", "ops", f"sum by (function_name) (rate({FUN}count{{{GCP}}}[5m]))", "{{function_name}}"),
        panel("Executions by outcome", "ops", f"sum by (status) (rate({FUN}count{{{GCP}}}[5m]))", "{{status}}"),
        panel("Executions that were not ok", "percentunit",
              f'sum by (function_name) (rate({FUN}count{{{GCP},status!="ok"}}[5m])) / '
              f"sum by (function_name) (rate({FUN}count{{{GCP}}}[5m]))", "{{function_name}}"),
        panel("Time, half", "ns",
              f"histogram_quantile(0.5, sum by (le, function_name) (rate({FUN}times_bucket{{{GCP}}}[5m])))",
              "{{function_name}}"),
        panel("Time, 95 %", "ns",
              f"histogram_quantile(0.95, sum by (le, function_name) (rate({FUN}times_bucket{{{GCP}}}[5m])))",
              "{{function_name}}"),
        panel("Time, mean", "ns",
              f"sum by (function_name) (rate({FUN}times_sum{{{GCP}}}[5m])) / "
              f"sum by (function_name) (rate({FUN}times_count{{{GCP}}}[5m]))", "{{function_name}}"),
    ],
})

BUSY = f'1 - avg by (instance) (rate(node_cpu_seconds_total{{mode="idle",{HOST}}}[5m]))'
USED_MEMORY = f"1 - node_memory_MemAvailable_bytes{{{HOST}}} / node_memory_MemTotal_bytes{{{HOST}}}"
REAL_DISK = f'fstype!~"tmpfs|squashfs|iso9660",{HOST}'
USED_DISK = f"1 - node_filesystem_avail_bytes{{{REAL_DISK}}} / node_filesystem_size_bytes{{{REAL_DISK}}}"
BALANCER = ',dimension_LoadBalancer!="",dimension_TargetGroup="",dimension_AvailabilityZone=""'
APPLICATION = "aws_applicationelb_"
STACK = ("host", "Hosts: infrastructure, application, database",
         [variable("instance", "instance", "node_uname_info"), *aws("aws_rds_cpuutilization_average")], {
    "Infrastructure": [
        stat("Hosts", "short", f"count(node_uname_info{{{HOST}}})"),
        stat("Busiest processor", "percentunit", f"max({BUSY})", thresholds=[0.8]),
        stat("Fullest disk", "percentunit", f"max({USED_DISK})", thresholds=[0.8]),
        panel("Processor", "percentunit", BUSY, "{{instance}}"),
        panel("Processor by mode", "percentunit",
              f'avg by (mode) (rate(node_cpu_seconds_total{{mode!="idle",{HOST}}}[5m]))', "{{mode}}"),
        panel("Load of a minute, for each processor", "short",
              f"node_load1{{{HOST}}} / on (instance) count by (instance) (node_cpu_seconds_total{{mode=\"idle\",{HOST}}})",
              "{{instance}}"),
        panel("Memory in use", "percentunit", USED_MEMORY, "{{instance}}"),
        panel("Swap in use", "bytes", f"node_memory_SwapTotal_bytes{{{HOST}}} - node_memory_SwapFree_bytes{{{HOST}}}",
              "{{instance}}"),
        panel("Processes killed for lack of memory", "short", f"increase(node_vmstat_oom_kill{{{HOST}}}[1h])", "{{instance}}"),
        panel("Disks in use", "percentunit", USED_DISK, "{{instance}} {{mountpoint}}"),
        panel("Disks busy", "percentunit", f"rate(node_disk_io_time_seconds_total{{{HOST}}}[5m])", "{{instance}} {{device}}"),
        panel("Disks, bytes", "Bps", f"rate(node_disk_read_bytes_total{{{HOST}}}[5m])", "read {{instance}} {{device}}",
              f"rate(node_disk_written_bytes_total{{{HOST}}}[5m])", "written {{instance}} {{device}}"),
        panel("Network", "Bps", f'rate(node_network_receive_bytes_total{{device!="lo",{HOST}}}[5m])',
              "received {{instance}} {{device}}", f'rate(node_network_transmit_bytes_total{{device!="lo",{HOST}}}[5m])',
              "sent {{instance}} {{device}}"),
        panel("Network errors and drops", "pps",
              f"rate(node_network_receive_errs_total{{{HOST}}}[5m]) + rate(node_network_receive_drop_total{{{HOST}}}[5m])",
              "received {{instance}} {{device}}",
              f"rate(node_network_transmit_errs_total{{{HOST}}}[5m]) + rate(node_network_transmit_drop_total{{{HOST}}}[5m])",
              "sent {{instance}} {{device}}"),
        panel("TCP connections", "short", f"node_sockstat_TCP_inuse{{{HOST}}}", "{{instance}}"),
    ],
    "Application": [
        panel("Requests of load balancers in a period", "short",
              top(APPLICATION + "request_count_sum", "dimension_LoadBalancer, region", BALANCER),
              "{{dimension_LoadBalancer}} {{region}}"),
        panel("Answers 5xx of targets in a period", "short",
              top(APPLICATION + "httpcode_target_5_xx_count_sum", "dimension_LoadBalancer, region"),
              "{{dimension_LoadBalancer}} {{region}}"),
        panel("Response time of targets, p99", "s",
              top(APPLICATION + "target_response_time_p99", "dimension_LoadBalancer, region"),
              "{{dimension_LoadBalancer}} {{region}}"),
        panel("Unhealthy targets", "short", f"{APPLICATION}un_healthy_host_count_maximum{{{AWS}}} > 0",
              "{{dimension_TargetGroup}} {{region}}"),
        panel("Errors of functions in a period", "short",
              top("aws_lambda_errors_sum", "dimension_FunctionName, region", FUNCTION),
              "{{dimension_FunctionName}} {{region}}"),
        panel("Messages waiting", "short", top("aws_sqs_approximate_number_of_messages_visible_average", QUEUE),
              "{{dimension_QueueName}} {{region}}"),
    ],
    "Database": [
        panel("CPU of RDS", "percent", top("aws_rds_cpuutilization_average", DB),
              "{{dimension_DBInstanceIdentifier}} {{region}}"),
        panel("Connections", "short", top("aws_rds_database_connections_average", DB),
              "{{dimension_DBInstanceIdentifier}} {{region}}"),
        panel("Least free storage", "bytes", f"bottomk(10, min by ({DB}) (aws_rds_free_storage_space_average{{{AWS}}}))",
              "{{dimension_DBInstanceIdentifier}} {{region}}"),
        panel("DynamoDB: throttled requests in a period", "short",
              f"topk(10, sum by (dimension_TableName, region) (aws_dynamodb_throttled_requests_sum{{{AWS}}}))",
              "{{dimension_TableName}} {{region}}"),
        panel("DynamoDB: latency, p99", "ms",
              top("aws_dynamodb_successful_request_latency_p99", "dimension_TableName, dimension_Operation"),
              "{{dimension_TableName}} {{dimension_Operation}}"),
        panel("DynamoDB: capacity used in a period", "short",
              top("aws_dynamodb_consumed_read_capacity_units_sum", "dimension_TableName, region"),
              "reads {{dimension_TableName}}",
              top("aws_dynamodb_consumed_write_capacity_units_sum", "dimension_TableName, region"),
              "writes {{dimension_TableName}}"),
    ],
})

DASHBOARDS = [BRIDGE, EC2, LAMBDA, SQS, ECS, RDS, S3, APIGATEWAY, CLOUD_RUN, PUBSUB, CLOUD_FUNCTIONS, STACK]


def colours(thresholds):
    steps = [{"color": "green", "value": None}]
    steps += [{"color": c, "value": v} for c, v in zip(["orange", "red"][-len(thresholds):], thresholds) if thresholds]
    return {"mode": "absolute", "steps": steps}


def rendered(number, description, x, y):
    """Grafana's form of a panel."""
    kind = description["kind"]
    out = {
        "id": number, "type": kind, "title": description["title"], "datasource": DATASOURCE,
        "gridPos": {"x": x, "y": y, "w": WIDTH, "h": HEIGHT if kind != "stat" else HEIGHT // 2},
        "fieldConfig": {"defaults": {"unit": description["unit"], "thresholds": colours(description["thresholds"])},
                        "overrides": []},
        "targets": [{"refId": chr(ord("A") + n), "datasource": DATASOURCE, "expr": query, "legendFormat": legend or "__auto",
                     "instant": kind != "timeseries", "range": kind == "timeseries"}
                    for n, (query, legend) in enumerate(description["queries"])],
    }
    if description["text"]:
        out["description"] = description["text"]
    if kind == "timeseries":
        out["fieldConfig"]["defaults"]["custom"] = {"lineWidth": 1, "fillOpacity": 10, "showPoints": "never"}
        out["options"] = {"legend": {"displayMode": "list", "placement": "bottom"},
                          "tooltip": {"mode": "multi", "sort": "desc"}}
    else:
        out["options"] = {"colorMode": "value", "graphMode": "area", "reduceOptions": {"calcs": ["lastNotNull"]}}
    return out


def dashboard(name, title, variables, rows):
    panels, y = [], 0
    for row, descriptions in rows.items():
        panels.append({"id": len(panels) + 1, "type": "row", "title": row, "collapsed": False,
                       "gridPos": {"x": 0, "y": y, "w": 24, "h": 1}, "panels": []})
        y += 1
        for at in range(0, len(descriptions), ACROSS):
            line = descriptions[at:at + ACROSS]
            heights = []
            for place, description in enumerate(line):
                panels.append(rendered(len(panels) + 1, description, place * WIDTH, y))
                heights.append(panels[-1]["gridPos"]["h"])
            y += max(heights)
    source = {"name": "datasource", "label": "data source", "type": "datasource", "query": "prometheus", "refresh": 1,
              "current": {}, "options": [], "includeAll": False, "multi": False}
    return {
        "uid": f"raingauge-{name}" if name != "raingauge" else name, "title": title, "tags": ["raingauge"],
        "schemaVersion": 39, "version": 1, "editable": True, "graphTooltip": 1, "refresh": "1m", "timezone": "",
        "time": {"from": "now-6h", "to": "now"}, "annotations": {"list": []},
        "links": [{"type": "dashboards", "title": "raingauge", "tags": ["raingauge"], "asDropdown": True, "keepTime": True}],
        "templating": {"list": [source, *variables]}, "panels": panels,
    }


def main():
    folder, stale = HERE / "dashboards", []
    wanted = {f"{name}.json": json.dumps(dashboard(name, *rest), indent=1) + "\n" for name, *rest in DASHBOARDS}
    for path in folder.glob("*.json"):
        if path.name not in wanted:
            stale.append(path.name)
            if "--check" not in sys.argv:
                path.unlink()
    for name, text in wanted.items():
        path = folder / name
        if not path.exists() or path.read_text() != text:
            stale.append(name)
            if "--check" not in sys.argv:
                path.write_text(text)
    if "--check" in sys.argv and stale:
        sys.exit(f"not up to date: {', '.join(stale)}; run deploy/grafana/generate.py")
    print(f"{len(wanted)} dashboards, {sum(len(d[3]) for d in DASHBOARDS)} rows,"
          f" {sum(len(row) for d in DASHBOARDS for row in d[3].values())} panels")


if __name__ == "__main__":
    main()
