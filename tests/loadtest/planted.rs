//! The load test finds what is planted: a node that stands still now and then, and receivers whose network is gone.
use std::sync::Arc;
use std::time::Duration;
use wardline_loadtest::device::within;
use wardline_loadtest::live::Live;
use wardline_loadtest::report::{Metric, Report};
use wardline_loadtest::run;
use wardline_loadtest::workload::Workload;
use wardline_tests::network::Network;

const MEMBERS: usize = 3;
const WITNESSES: usize = 2;

fn workload() -> Workload {
    let text = format!(
        "name = 'planted'\nreason = 'x'\n[chat]\nmembers = {MEMBERS}\nwitnesses = {WITNESSES}\nsenders = 2\nrate_per_s = 40.0\n\
         text_bytes = 80\nseconds = 3\nwarm_up_seconds = 1\ndrain_seconds = 2\n"
    );
    Workload::parse(&text, &[]).unwrap()
}

async fn measuring(live: &Live) {
    assert!(within(Duration::from_secs(60), || live.now() == "measuring").await, "it never measured");
}

fn p99(report: &Report, name: &str) -> f64 {
    let Metric::Distribution { p99, .. } = report.metrics[name] else { panic!("{name}") };
    p99
}

fn value(report: &Report, name: &str) -> f64 {
    let Metric::Value { value, .. } = report.metrics[name] else { panic!("{name}") };
    value
}

/// How long the node stands still each time, and how long it runs in between.
const STILL: Duration = Duration::from_millis(200);
const RUNS: Duration = Duration::from_millis(300);

/// Stands a process still again and again, while it is measured.
async fn stumble(node: u32, live: &Live) {
    use rustix::process::{Pid, Signal, kill_process};
    let node = Pid::from_raw(node.cast_signed()).unwrap();
    measuring(live).await;
    while live.now() == "measuring" {
        kill_process(node, Signal::STOP).unwrap();
        tokio::time::sleep(STILL).await; // bounded: this is the planted fault
        kill_process(node, Signal::CONT).unwrap();
        tokio::time::sleep(RUNS).await; // bounded: this is the planted fault
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_stands_still_now_and_then_is_seen_in_the_tail() {
    let workload = workload();
    let sound = run::run(&workload, None, &Arc::default(), false).await.unwrap();
    assert!(sound.errors.is_empty(), "{:?}", sound.errors);

    let mut node = run::start(&workload, None).await.unwrap();
    let process = node.process().unwrap();
    let live = Arc::new(Live::default());
    let (slow, ()) = tokio::join!(run::run_on(&workload, &mut node, &live, false), stumble(process, &live));
    let slow = slow.unwrap();
    for name in ["acknowledge_ms", "sent_to_delivered_ms"] {
        let (sound, slow) = (p99(&sound, name), p99(&slow, name));
        // Who is due just when it stops waits for all of it, whatever the answers before have done: arrivals are open-loop.
        assert!(slow > sound + 80.0 && slow > 150.0, "{name}: p99 {sound} ms without, {slow} ms with");
    }
    let worst = slow.plots.over_time["sent_to_delivered_ms"].iter().map(|second| second.p99).fold(0.0, f64::max);
    assert!(worst > 150.0, "and in the plot over time: {worst} ms");
    assert!(slow.errors.is_empty(), "slow is not wrong: {:?}", slow.errors);
    assert_eq!(value(&slow, "delivered_ratio"), 1.0);
}

/// The network of the witnesses is gone from when it is measured on.
async fn unplug(network: &Network, live: &Live) {
    measuring(live).await;
    let clients = network.clients();
    // Each device has enrolled and signed in, the witnesses last.
    assert_eq!(clients.len(), 2 * (MEMBERS + WITNESSES));
    network.cut_all_but(&clients[..clients.len() - WITNESSES]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_arrive_is_counted() {
    let workload = workload();
    let mut node = run::start(&workload, None).await.unwrap();
    let address = node.access().address.parse().unwrap();
    let network = Network::start("127.0.0.1:0".parse().unwrap(), address).await.unwrap();
    node.reach_at(network.address());
    let live = Arc::new(Live::default());
    let (report, ()) = tokio::join!(run::run_on(&workload, &mut node, &live, false), unplug(&network, &live));
    let report = report.unwrap();
    let lost = report.errors["undelivered"];
    // 3 s at 40/s to two witnesses, all of it lost but what was on its way when they were unplugged.
    assert!((200..=240).contains(&lost), "{lost}");
    let ratio = value(&report, "delivered_ratio");
    let wanted = 1.0 - lost as f64 / (120.0 * (MEMBERS - 1 + WITNESSES) as f64);
    assert!((ratio - wanted).abs() < 0.001, "{ratio}, not {wanted}");
    assert!(report.wrong().unwrap().contains("undelivered"));
}
