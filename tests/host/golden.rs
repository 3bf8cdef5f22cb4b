//! What the CloudWatch agent sent about a machine comes out of the same samples here. The samples were taken every five
//! seconds beside the agent, which looked every ten: so growth lies between what surely fell into its interval and what may
//! have; what follows from other numbers of the agent is compared exactly.

use raingauge::host::job::{Resources, What};

use crate::tree::{FIRST_SECONDS, Tree, at, collector, number};

const SAMPLES: &str = include_str!("../fixtures/host/golden/proc.txt");
const SENT: &str = include_str!("../fixtures/host/golden/agent.tsv");

struct Sent {
    seconds: f64,
    name: &'static str,
    of: &'static str,
    value: f64,
}

fn sent() -> Vec<Sent> {
    let parse = |line: &'static str| {
        let columns: Vec<_> = line.split('\t').collect();
        let [seconds, name, of, value] = columns[..] else { panic!("{line}") };
        Sent { seconds: seconds.parse().unwrap(), name, of, value: value.parse().unwrap() }
    };
    SENT.lines().map(parse).collect()
}

fn samples() -> Vec<(f64, &'static str)> {
    SAMPLES
        .split("=== ")
        .skip(1)
        .map(|s| s.split_once('\n').unwrap())
        .map(|(t, files)| (t.parse().unwrap(), files))
        .collect()
}

fn unpack(tree: &Tree, files: &str) {
    for file in files.split("--- ").skip(1) {
        let (name, text) = file.split_once('\n').unwrap();
        tree.write(&format!("proc/{name}"), text);
    }
}

/// Name, device, from, to, value.
type Measured = Vec<(String, String, f64, f64, f64)>;

/// All samples, one pass for each.
async fn measured() -> Measured {
    let tree = Tree::new();
    for (name, flags) in [("lo", "0x9"), ("v0", "0x1003"), ("v1", "0x1003")] {
        tree.write(&format!("sys/class/net/{name}/flags"), flags);
    }
    let jobs = vec![
        What::Cpu { per_cpu: true, total: true },
        What::Diskio { resources: Resources::All },
        What::Net { resources: Resources::All },
        What::Mem,
    ];
    let mut collector = collector(tree.root(), jobs).await;
    let mut before = 0.0;
    let mut all = Vec::new();
    for (index, (seconds, files)) in samples().into_iter().enumerate() {
        unpack(&tree, files);
        // Every pass is due, whatever the real distance.
        let collected = collector.collect(at(60 * i64::try_from(index).unwrap())).await;
        assert!(collected.failures.is_empty(), "{:?}", collected.failures);
        for m in &collected.measurements {
            let of = m.tags.iter().next().map_or("-", |(_, v)| v).to_owned();
            all.push((m.name().into_owned(), of, before, seconds, number(m)));
        }
        before = seconds;
    }
    all
}

#[tokio::test]
async fn growth_is_what_the_agent_saw() {
    let measured = measured().await;
    let first = samples()[0].0;
    let mut grown = 0;
    let of_interest = |s: &Sent| s.name.starts_with("net_") || s.name.starts_with("diskio_");
    for s in sent().iter().filter(|s| of_interest(s) && s.seconds - 10.0 > first) {
        if s.name == "diskio_iops_in_progress" {
            continue;
        }
        let (from, to) = (s.seconds - 10.0, s.seconds);
        let same = measured.iter().filter(|m| m.0 == s.name && m.1 == s.of);
        let (mut least, mut most, mut parts) = (0.0, 0.0, 0);
        for (_, _, begin, end, value) in same {
            least += if *begin >= from && *end <= to { *value } else { 0.0 };
            most += if *end > from && *begin < to { *value } else { 0.0 };
            parts += 1;
        }
        assert!(parts > 0 && least <= s.value && s.value <= most, "{} {} {least} {} {most}", s.name, s.of, s.value);
        grown += usize::from(s.value > 0.0);
    }
    assert!(grown > 60, "only {grown} of the agent's numbers say anything");
}

#[tokio::test]
async fn processor_times_are_what_the_agent_saw() {
    let measured = measured().await;
    let mut compared = 0;
    for s in sent().iter().filter(|s| s.name.starts_with("cpu_time_")) {
        let same = || measured.iter().filter(|m| m.0 == s.name && m.1 == s.of);
        let before = same().rfind(|m| m.3 <= s.seconds).map(|m| m.4);
        let after = same().find(|m| m.3 >= s.seconds).map(|m| m.4);
        if let (Some(before), Some(after)) = (before, after) {
            assert!(before - 1e-6 <= s.value && s.value <= after + 1e-6, "{} {}", s.name, s.of);
            compared += 1;
        }
    }
    assert_eq!(compared, 6);
}

/// The agent's own times, put into `/proc/stat`, give the agent's usage to the last digit but rounding.
#[tokio::test]
async fn usage_follows_from_times_as_in_the_agent() {
    let times = |seconds: f64, name: &str, of: &str| {
        let found = sent().into_iter().find(|s| (s.seconds - seconds).abs() < 1.0 && s.name == name && s.of == of);
        found.map(|s| format!("{:.0}", s.value * 100.0)).unwrap()
    };
    let tree = Tree::new();
    let mut collector = collector(tree.root(), vec![What::Cpu { per_cpu: true, total: true }]).await;
    let mut compared = 0;
    for (pass, seconds) in [(0, 1_795_217_775.68), (1, 1_795_217_835.68)] {
        let line = |kernel: &str, of: &str| {
            let (active, idle) = (times(seconds, "cpu_time_active", of), times(seconds, "cpu_time_idle", of));
            format!("{kernel} {active} 0 0 {idle} 0 0 0 0 0 0\n")
        };
        tree.write("proc/stat", &[line("cpu ", "cpu-total"), line("cpu0", "cpu0"), line("cpu1", "cpu1")].concat());
        for m in collector.collect(at(60 * pass)).await.measurements {
            let of = m.tags.get("cpu").unwrap();
            let same = |s: &Sent| s.name == m.name() && s.of == &**of && (s.seconds - seconds).abs() < 1.0;
            let usages = ["cpu_usage_active", "cpu_usage_idle"];
            if let Some(theirs) = sent().iter().find(|s| same(s) && usages.contains(&s.name)) {
                assert!((number(&m) - theirs.value).abs() < 1e-9, "{} {of}: {}", m.name(), theirs.value);
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 6);
}

#[tokio::test]
async fn memory_follows_from_the_kernel_s_numbers_as_in_the_agent() {
    let all = sent();
    let mut moments: Vec<f64> = all.iter().filter(|s| s.name == "mem_total").map(|s| s.seconds).collect();
    moments.dedup();
    let tree = Tree::new();
    let mut collector = collector(tree.root(), vec![What::Mem, What::Swap]).await;
    let mut compared = 0;
    for (pass, moment) in moments.iter().enumerate() {
        let theirs = |name: &str| {
            all.iter().find(|s| s.name == name && (s.seconds - moment).abs() < 1.0).unwrap_or_else(|| panic!("{name}"))
        };
        let kilobytes = |name: &str| theirs(name).value / 1024.0;
        let text: String = [
            ("MemTotal", "mem_total"),
            ("MemFree", "mem_free"),
            ("MemAvailable", "mem_available"),
            ("Buffers", "mem_buffered"),
            ("Active", "mem_active"),
            ("Inactive", "mem_inactive"),
            ("SwapTotal", "swap_free"),
            ("SwapFree", "swap_free"),
        ]
        .map(|(line, name)| format!("{line}: {} kB\n", kilobytes(name)))
        .concat();
        // Its cache is the sum of two lines.
        let cache = format!("Cached: {} kB\nSReclaimable: 1000 kB\n", kilobytes("mem_cached") - 1000.0);
        tree.write("proc/meminfo", &(text + &cache));
        for m in collector.collect(at(60 * i64::try_from(pass).unwrap())).await.measurements {
            if m.name() == "mem_shared" {
                continue;
            }
            assert!((number(&m) - theirs(&m.name()).value).abs() < 1e-9, "{}", m.name());
            compared += 1;
        }
    }
    assert!(compared >= 13 * 6, "{compared}, since {FIRST_SECONDS}");
}
