//! The Kubernetes manifests, as `kubectl kustomize` renders them: they fit together, the schemas of Kubernetes accept them, and
//! raingauge understands its command and its file.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::files::{deploy, items, text};
use crate::processes::is_installed;

const NOTHING: raingauge::cli::Outside<'static> =
    raingauge::cli::Outside { env: &|_| None, file: &|path| Err(format!("{path} is not there")) };

/// `kubectl`, or `kustomize` where `.ci/run` has built it.
fn kustomize(folder: &Path) -> Option<Command> {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/kustomize");
    let (program, verb) = if built.exists() { (built, "build") } else { (PathBuf::from("kubectl"), "kustomize") };
    let mut attempt = Command::new(&program);
    attempt.args([verb, "--help"]);
    if !is_installed("kubectl", "or kustomize in target/tools, as .ci/run builds it", attempt) {
        return None;
    }
    let mut command = Command::new(program);
    command.arg(verb).arg(folder);
    Some(command)
}

fn rendered(folder: &Path) -> Option<String> {
    let output = kustomize(folder)?.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

fn documents(text: &str) -> Vec<Value> {
    let parts = text.split("\n---\n").filter(|part| !part.trim().is_empty());
    parts.map(|part| serde_yaml::from_str(part).unwrap_or_else(|e| panic!("{e}:\n{part}"))).collect()
}

fn the<'a>(documents: &'a [Value], kind: &str) -> &'a Value {
    let mut found = documents.iter().filter(|d| text(d, "/kind") == kind);
    let one = found.next().unwrap_or_else(|| panic!("there is no {kind}"));
    assert!(found.next().is_none(), "there are several {kind}");
    one
}

fn strings(values: &[Value]) -> Vec<&str> {
    values.iter().map(|v| v.as_str().unwrap()).collect()
}

/// What must hold for any of the variants.
fn judge(documents: &[Value]) {
    let pods = the(documents, "StatefulSet");
    let labels = pods.pointer("/spec/template/metadata/labels").unwrap();
    for (kind, pointer) in [
        ("StatefulSet", "/spec/selector/matchLabels"),
        ("PodMonitor", "/spec/selector/matchLabels"),
        ("NetworkPolicy", "/spec/podSelector/matchLabels"),
        ("Service", "/spec/selector"),
    ] {
        assert_eq!(the(documents, kind).pointer(pointer), Some(labels), "{kind} selects other pods");
    }
    for document in documents.iter().filter(|d| text(d, "/kind") != "Namespace") {
        assert_eq!(text(document, "/metadata/namespace"), "raingauge", "{document}");
    }
    let container = pods.pointer("/spec/template/spec/containers/0").unwrap();
    let port = text(container, "/ports/0/name");
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        assert_eq!(text(container, &format!("/{probe}/httpGet/port")), port, "{probe}");
    }
    assert_eq!(text(the(documents, "PodMonitor"), "/spec/podMetricsEndpoints/0/port"), port);
    assert_eq!(text(the(documents, "NetworkPolicy"), "/spec/ingress/0/ports/0/port"), port);
    let spec = pods.pointer("/spec/template/spec").unwrap();
    assert_eq!(text(spec, "/serviceAccountName"), text(the(documents, "ServiceAccount"), "/metadata/name"));
    assert_eq!(text(pods, "/spec/serviceName"), text(the(documents, "Service"), "/metadata/name"));
    let config = the(documents, "ConfigMap");
    assert_eq!(text(spec, "/volumes/0/configMap/name"), text(config, "/metadata/name"));
    assert_eq!(spec.pointer("/securityContext/runAsNonRoot"), Some(&Value::Bool(true)));
    assert_eq!(container.pointer("/securityContext/readOnlyRootFilesystem"), Some(&Value::Bool(true)));
    assert_eq!(strings(items(container, "/securityContext/capabilities/drop")), ["ALL"]);
    accepts(&strings(items(container, "/args")), text(config, "/data/raingauge.yml"));
}

/// raingauge understands the arguments and the file.
fn accepts(arguments: &[&str], config: &str) {
    let line = std::iter::once("raingauge").chain(arguments.iter().copied()).map(OsString::from);
    if let Err(exit) = raingauge::cli::parse(line, NOTHING) {
        panic!("{}", exit.stderr);
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("raingauge.yml");
    fs::write(&file, config).unwrap();
    let check = Command::new(env!("CARGO_BIN_EXE_raingauge")).args(["check", "--config"]).arg(&file).output().unwrap();
    assert!(check.status.success(), "{config}\n{}", String::from_utf8_lossy(&check.stderr));
}

/// The schemas of Kubernetes have nothing to say; that of the Prometheus operator is not among them.
fn validate(manifests: &str) {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/kubernetes-validate");
    let program = if own.exists() { own } else { PathBuf::from("kubernetes-validate") };
    let mut attempt = Command::new(&program);
    attempt.arg("--help");
    if !is_installed("kubernetes-validate", "pip install -r tests/partners/requirements.txt, in .venv", attempt) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("manifests.yaml");
    let known = manifests.split("\n---\n").filter(|part| !part.contains("kind: PodMonitor"));
    fs::write(&file, known.collect::<Vec<_>>().join("\n---\n")).unwrap();
    let output = Command::new(program).arg("--strict").arg(&file).output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success() && !said.contains("WARN"), "{said}");
    assert!(said.matches("passed").count() >= 6, "{said}");
}

#[test]
fn the_base_is_one_pod_that_fits_together() {
    let Some(text) = rendered(&deploy("kubernetes/base")) else { return };
    let documents = documents(&text);
    judge(&documents);
    assert_eq!(the(&documents, "StatefulSet")["spec"]["replicas"], 1);
    validate(&text);
}

#[test]
fn shards_have_two_pods_each_and_may_write_their_leases() {
    let Some(manifests) = rendered(&deploy("kubernetes/sharded")) else { return };
    let documents = documents(&manifests);
    judge(&documents);
    let pods = the(&documents, "StatefulSet");
    let arguments = strings(items(pods, "/spec/template/spec/containers/0/args"));
    let shards = arguments.iter().find_map(|a| a.strip_prefix("--shard=$(POD_NAME)/")).unwrap();
    let shards: u64 = shards.parse().unwrap();
    assert_eq!(pods["spec"]["replicas"], shards * 2);
    let variables = items(pods, "/spec/template/spec/containers/0/env");
    assert!(variables.iter().any(|v| v["name"] == "POD_NAME"), "{variables:?}");
    let lease = arguments.iter().find_map(|a| a.strip_prefix("--lease=")).unwrap();
    let rules = items(the(&documents, "Role"), "/rules");
    let named: Vec<_> = rules.iter().flat_map(|rule| strings(items(rule, "/resourceNames"))).collect();
    assert_eq!(named, (0..shards).map(|n| format!("{lease}-{n}")).collect::<Vec<_>>());
    let binding = the(&documents, "RoleBinding");
    assert_eq!(text(binding, "/roleRef/name"), text(the(&documents, "Role"), "/metadata/name"));
    assert_eq!(text(binding, "/subjects/0/name"), "raingauge");
    let budget = the(&documents, "PodDisruptionBudget");
    assert_eq!(
        budget.pointer("/spec/selector/matchLabels"),
        pods.pointer("/spec/selector/matchLabels"),
        "the budget is for other pods"
    );
    validate(&manifests);
}

#[test]
fn the_components_give_the_account_its_cloud() {
    for (component, annotation) in [("aws", "eks.amazonaws.com/role-arn"), ("google", "iam.gke.io/gcp-service-account")]
    {
        // Components are applied by somebody's own kustomization.
        let folder = tempfile::tempdir_in(deploy("kubernetes")).unwrap();
        let own = format!(
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [../base]\ncomponents: \
             [../{component}]\n"
        );
        fs::write(folder.path().join("kustomization.yaml"), own).unwrap();
        let Some(text) = rendered(folder.path()) else { return };
        let documents = documents(&text);
        judge(&documents);
        let annotations = &the(&documents, "ServiceAccount")["metadata"]["annotations"];
        assert!(annotations[annotation].is_string(), "{annotations}");
    }
}
