//! Short runs of the video workloads against the media plane in a process of its own: they measure what they say, and notice what goes wrong.
use std::path::Path;
use std::sync::Arc;
use wardline_loadtest::report::{Metric, Report};
use wardline_loadtest::{run, workload::Workload};

async fn short(name: &str, changes: &[&str]) -> Report {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("workloads/{name}.toml"));
    let short = ["video.viewers=11", "video.seconds=2", "video.warm_up_seconds=1"];
    let changes: Vec<String> = short.iter().chain(changes).map(|change| (*change).to_owned()).collect();
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_packet_reaches_every_viewer_and_opens() {
    let report = short("video", &[]).await;
    assert_eq!(value(&report, "delivered_ratio"), 1.0);
    assert_eq!(value(&report, "delivered_packets"), 11.0 * 2.0 * 30.0 * 8.0);
    assert_eq!(value(&report, "undecryptable_frames"), 0.0);
    // Ten of them open every frame, those of the first second too.
    assert_eq!(value(&report, "frames_opened"), 10.0 * 3.0 * 30.0);
    let Metric::Distribution { count, p50, p99, max, .. } = report.metrics["added_latency_ms"] else { panic!() };
    assert_eq!(count, 11 * 2 * 30 * 8);
    assert!(p50 > 0.0 && p50 <= p99 && p99 <= max, "{p50} {p99} {max}");
    assert!(value(&report, "server_cpu_us_per_packet") > 0.5, "it cannot be less than the kernel's part");
    // A sender and eleven viewers.
    let profiles: f64 = report.metrics.keys().filter(|name| name.starts_with("srtp_")).map(|n| value(&report, n)).sum();
    assert_eq!(profiles, 12.0);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_of_a_real_encoder_open_too() {
    let report = short("video-encoder", &[]).await;
    assert_eq!(value(&report, "delivered_ratio"), 1.0);
    assert_eq!(value(&report, "frames_opened"), 10.0 * 3.0 * 30.0);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_lost_on_the_way_is_sent_again() {
    let report = short("video-loss", &["video.drop_percent=2.0"]).await;
    // The sender sends nothing after the last frame that would show the last gaps, so a few are never asked for.
    let delivered = value(&report, "delivered_ratio");
    assert!(delivered > 0.995, "without repair it is 0.98: {delivered}");
    assert_eq!(value(&report, "undecryptable_frames"), 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loss_that_cannot_be_repaired_is_seen() {
    // Voice is not sent again.
    let changes =
        ["video.frames='voice'", "video.frames_per_s=50", "video.payload_bytes=110", "video.drop_percent=10.0"];
    let report = short("video-loss", &changes).await;
    let delivered = value(&report, "delivered_ratio");
    assert!((0.85..0.95).contains(&delivered), "a tenth is lost: {delivered}");
    assert!(report.errors["packets_lost"] > 50, "{:?}", report.errors);
}
