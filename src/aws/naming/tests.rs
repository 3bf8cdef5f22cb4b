use proptest::prelude::*;

use super::*;

#[test]
fn text_becomes_snake_case() {
    for (text, expected) in [
        ("", ""),
        ("CPUUtilization", "cpuutilization"),
        ("fooBAR9Baz", "foo_bar9_baz"),
        ("X-1Y", "x_1_y"),
        ("A%B", "a_percentb"),
        ("a \t,/\\.-:=@<>()\u{201c}b", "a_______________b"),
        ("[x]+*#!'\u{201d}\u{e9}", "[x]+*#!'\u{201d}\u{e9}"),
        ("\u{e9}\u{c9}t\u{c9}", "\u{e9}_\u{e9}t_\u{e9}"),
        ("HTTPCode_Target_5XX_Count", "httpcode_target_5_xx_count"),
        ("\u{130}x", "ix"),
    ] {
        assert_eq!(snake(text), expected, "{text:?}");
    }
}

#[test]
fn metrics_are_named_as_dashboards_know_them() {
    for (namespace, metric, statistic, expected) in [
        ("AWS/EC2", "CPUUtilization", "Average", "aws_ec2_cpuutilization_average"),
        ("AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", "Sum", "aws_applicationelb_httpcode_target_5_xx_count_sum"),
        ("AWS/S3", "4xxErrors", "Sum", "aws_s3_4xx_errors_sum"),
        ("AWS/RDS", "EBSIOBalance%", "Average", "aws_rds_ebsiobalance_percent_average"),
        ("AWS/ES", "ESReportingFailedRequestSysErrCount", "Sum", "aws_es_reporting_failed_request_sys_err_count_sum"),
        ("AWS/Network Manager", "NetworkIn", "Sum", "aws_network_manager_in_sum"),
        ("AWS/Backup", "BackupJobsCreated", "Sum", "aws_backup_jobs_created_sum"),
        ("Glue", "glue.driver.aggregate.bytesRead", "Average", "aws_glue_driver_aggregate_bytes_read_average"),
        ("AWS/Glue", "AWSGlue.x", "Sum", "aws_glue_lue_x_sum"),
        ("AWS/Glue", "glue", "Sum", "aws_glue__sum"),
        (
            "/aws/sagemaker/TrainingJobs",
            "CPUUtilization",
            "Average",
            "aws_sagemaker_trainingjobs_cpuutilization_average",
        ),
        ("ECS/ContainerInsights", "CpuUtilized", "p99.9", "aws_ecs_containerinsights_cpu_utilized_p99_9"),
        ("awsome/thing", "x", "Sum", "awsome_thing_x_sum"),
        ("My.App/v2", "Latency (ms)", "TM(10%:90%)", "aws_my_app_v2_latency__ms__tm_10_percent_90_percent_"),
        (
            "CWAgent",
            "Memory % Committed Bytes In Use",
            "Average",
            "aws_cwagent_memory__percent_committed_bytes_in_use_average",
        ),
        ("X", "__lead", "Sum", "aws_x__lead_sum"),
        ("a//b", "a.x", "Sum", "aws_a__b_a_x_sum"),
    ] {
        assert_eq!(metric_name(namespace, metric, Some(statistic)), expected, "{namespace} {metric}");
    }
    assert_eq!(metric_name("AWS/RDS", "AllocatedStorage", None), "aws_rds_allocated_storage");
    assert_eq!(info_name("Inf"), "aws_inf_o");
    assert_eq!(info_name("AWS/EC2"), "aws_ec2_info");
    assert_eq!(info_name("/aws/sagemaker/Endpoints"), "aws_sagemaker_endpoints_info");
}

#[test]
fn labels_are_named() {
    for (text, plain, snake_case) in [
        ("CostCenterID", Some("tag_CostCenterID"), Some("tag_cost_center_id")),
        (
            "aws:cloudformation:stack-name",
            Some("tag_aws_cloudformation_stack_name"),
            Some("tag_aws_cloudformation_stack_name"),
        ),
        ("fooBAR9Baz", Some("tag_fooBAR9Baz"), Some("tag_foo_bar9_baz")),
        ("X-1Y", Some("tag_X_1Y"), Some("tag_x_1_y")),
        ("A%B", Some("tag_A_percentB"), Some("tag_a_percentb")),
        ("Cluster Name", Some("tag_Cluster_Name"), Some("tag_cluster_name")),
        ("%", Some("tag__percent"), Some("tag__percent")),
        ("_", Some("tag__"), Some("tag__")),
        ("1st", None, None),
        ("50%", None, None),
        ("\u{e9}", None, None),
        ("a$", None, None),
        ("", None, None),
    ] {
        assert_eq!(label_name("tag_", text, false).as_deref(), plain, "{text:?}");
        assert_eq!(label_name("tag_", text, true).as_deref(), snake_case, "{text:?} in snake case");
    }
    assert_eq!(label_name("dimension_", "InstanceId", false).as_deref(), Some("dimension_InstanceId"));
}

proptest! {
    #[test]
    fn no_text_breaks_naming(namespace in ".{0,20}", metric in ".{0,20}", statistic in ".{0,8}") {
        let name = metric_name(&namespace, &metric, Some(&statistic));
        prop_assert!(name.starts_with("aws"));
        prop_assert!(name.ends_with(&snake(&statistic)));
        prop_assert!(name.len() >= info_name(&namespace).len().saturating_sub("info".len()));
    }

    #[test]
    fn metrics_named_after_their_namespace_never_break(words in "[a-z0-9_/]{0,12}", rest in "[a-z\u{e9}_]{0,6}") {
        // Shares prefixes far more often than free text does.
        let name = metric_name(&words, &format!("{words}{rest}"), None);
        prop_assert!(name.starts_with("aws"));
    }

    #[test]
    fn a_label_name_is_legal_or_absent(text in "\\PC{0,20}|[ -~]{0,12}", snake_case: bool) {
        if let Some(name) = label_name("dimension_", &text, snake_case) {
            let rest = name.strip_prefix("dimension_").unwrap_or("");
            prop_assert!(rest.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{name}");
            prop_assert!(rest.starts_with(|c: char| !c.is_ascii_digit()), "{name}");
        }
    }
}
