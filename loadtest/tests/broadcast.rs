//! Short runs of the broadcast workloads against a real node: they measure what they say, and find what is done wrong on purpose.
use std::path::Path;
use std::sync::Arc;
use wardline_loadtest::report::{Metric, Report};
use wardline_loadtest::{html, run, workload::Workload};

/// A small house and a small picture.
const SMALL: [&str; 10] = [
    "broadcast.viewers=8",
    "broadcast.sample=3",
    "broadcast.steps=[5]",
    "broadcast.step_seconds=1",
    "broadcast.late=1",
    "broadcast.part_seconds=3",
    "broadcast.programme_seconds=4",
    "broadcast.key_frame_every=30",
    "broadcast.warm_up_seconds=1",
    "broadcast.layers=[{ width = 320, height = 192, kbps = 400 }]",
];

async fn short(name: &str, changes: &[&str]) -> Report {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("workloads/{name}.toml"));
    let changes: Vec<String> = SMALL.iter().chain(changes).map(|change| (*change).to_owned()).collect();
    let report = run::run(&Workload::read(&path, &changes).unwrap(), None, &Arc::default(), false).await.unwrap();
    println!("{report}");
    report
}

fn value(report: &Report, name: &str) -> f64 {
    match &report.metrics[name] {
        Metric::Value { value, .. } => *value,
        Metric::Distribution { .. } => panic!("{name} is no single figure"),
    }
}

fn count(report: &Report, name: &str) -> u64 {
    match &report.metrics[name] {
        Metric::Distribution { count, p50, p99, max, .. } => {
            assert!(*p50 > 0.0 && p50 <= p99 && p99 <= max, "{name}");
            *count
        }
        Metric::Value { .. } => panic!("{name} is no distribution"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_sees_what_is_sent() {
    let report =
        short("broadcast", &["broadcast.seconds=4", "broadcast.removals=0", "broadcast.lossy_percent=0"]).await;
    assert_eq!(value(&report, "delivered_ratio"), 1.0);
    // Five light viewers for four seconds: 30 pictures and 50 packets of sound a second at least.
    assert!(value(&report, "delivered_packets") >= 5.0 * 4.0 * 75.0);
    assert_eq!(count(&report, "added_latency_ms") as f64, value(&report, "delivered_packets"));
    assert_eq!(value(&report, "undecryptable_frames"), 0.0);
    assert!(value(&report, "frames_opened") > 3.0 * 4.0 * 75.0);
    // Two of the sample, pictures of five seconds and more.
    assert!(value(&report, "pictures_compared") >= 2.0 * 5.0 * 29.0);
    assert_eq!(count(&report, "late_first_frame_ms"), 1);
    assert!(value(&report, "server_cpu_us_per_packet") > 0.5, "it cannot be less than the kernel's part");
    assert!(report.metrics.contains_key("server_cpu_us_per_packet_5"), "the step on the way up");
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert!(html::page(&report).unwrap().contains("late first frame"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_bad_line_is_nobody_elses() {
    let report = short(
        "broadcast",
        &["broadcast.seconds=2", "broadcast.late=0", "broadcast.removals=0", "broadcast.lossy_percent=20.0"],
    )
    .await;
    let lossy = value(&report, "lossy_delivered_ratio");
    assert!((0.6..1.0).contains(&lossy), "sound is not sent again: {lossy}");
    assert_eq!(value(&report, "lossy_others_delivered_ratio"), 1.0);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_the_ward_costs_nobody_a_frame() {
    let changes = [
        "broadcast.seconds=1",
        "broadcast.steps=[]",
        "broadcast.late=0",
        "broadcast.keyed=2",
        "broadcast.bystanders=6",
        "broadcast.removals=2",
    ];
    let report = short("broadcast-rekey", &changes).await;
    assert_eq!(count(&report, "rekey_everybody_ms"), 2);
    assert_eq!((value(&report, "rekey_members"), value(&report, "rekey_full_members")), (17.0, 5.0));
    assert_eq!(value(&report, "rekey_delivered_ratio"), 1.0);
    assert_eq!(value(&report, "undecryptable_frames"), 0.0);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_key_is_found() {
    let changes = [
        "broadcast.seconds=1",
        "broadcast.late=0",
        "broadcast.removals=0",
        "broadcast.lossy_percent=0",
        "broadcast.fault='wrong_key'",
    ];
    let report = short("broadcast", &changes).await;
    assert!(value(&report, "undecryptable_frames") > 100.0);
    assert_eq!(value(&report, "frames_opened"), 0.0);
    assert_eq!(value(&report, "delivered_ratio"), 1.0, "the node forwards what it cannot open");
    assert!(report.errors["frames_undecryptable"] > 100, "{:?}", report.errors);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_packet_is_found() {
    let changes = [
        "broadcast.seconds=3",
        "broadcast.late=0",
        "broadcast.removals=0",
        "broadcast.lossy_percent=0",
        "broadcast.fault='loss'",
    ];
    let report = short("broadcast", &changes).await;
    let delivered = value(&report, "delivered_ratio");
    assert!((0.97..1.0).contains(&delivered), "a hundredth of the sound: {delivered}");
    assert!(report.errors["packets_lost"] > 0, "{:?}", report.errors);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_picture_is_found() {
    let changes = [
        "broadcast.seconds=1",
        "broadcast.late=0",
        "broadcast.removals=0",
        "broadcast.lossy_percent=0",
        "broadcast.fault='wrong_picture'",
    ];
    let report = short("broadcast", &changes).await;
    assert!(report.errors["pictures_wrong"] as f64 > 0.9 * value(&report, "pictures_compared"), "{:?}", report.errors);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_narrow_line_gets_the_small_picture_and_the_large_one_back() {
    let changes = [
        // A viewer is shown the largest picture within 10 s, whatever went wrong before.
        "broadcast.warm_up_seconds=11",
        "broadcast.seconds=2",
        "broadcast.late=0",
        "broadcast.part_seconds=15",
        "broadcast.layers=[{ width = 640, height = 352, kbps = 900 }, { width = 320, height = 192, kbps = 120 }]",
    ];
    let report = short("broadcast-layers", &changes).await;
    assert_eq!(value(&report, "viewers_of_layer_0"), 5.0, "at first everybody has the large one");
    assert!(value(&report, "narrow_low_layer_after_ms") < 5_000.0);
    assert!(value(&report, "relief_high_layer_after_ms") < 15_000.0);
    assert_eq!(value(&report, "undecryptable_frames"), 0.0);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
}
