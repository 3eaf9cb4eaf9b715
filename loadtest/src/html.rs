//! The report as one HTML file: figures as text, and plots that a small script of ours draws from the data beside it.
//!
//! Absent on purpose: anything from elsewhere. The page's own policy forbids requests, so that a report opens in ten years and in a cellar.
use crate::report::{Metric, Report};
use anyhow::Result;
use serde_json::json;
use std::fmt::Write as _;

const PAGE: &str = include_str!("html/page.html");
const STYLE: &str = include_str!("html/style.css");
const SCRIPT: &str = include_str!("html/plots.js");

/// The whole page.
///
/// # Errors
/// When the data cannot be written as JSON.
pub fn page(report: &Report) -> Result<String> {
    let data = json!({
        "workload": report.workload,
        "commit": report.commit,
        "machine": report.machine,
        "metrics": report.metrics,
        "errors": report.errors,
        "plots": report.plots,
    });
    // Nothing in the data may end the element that it is in.
    let data = serde_json::to_string(&data)?.replace('<', "\\u003c");
    let settings = format!("name = \"{}\"\n{}", report.workload, report.plots.settings);
    let fills = [
        ("{{style}}", STYLE.to_owned()),
        ("{{script}}", SCRIPT.to_owned()),
        ("{{workload}}", escaped(&report.workload)),
        ("{{reason}}", escaped(&report.plots.reason)),
        ("{{commit}}", escaped(&report.commit)),
        ("{{machine}}", escaped(&report.machine)),
        ("{{verdict}}", verdict(report)),
        ("{{tiles}}", tiles(report)),
        ("{{distributions}}", distributions(report)),
        ("{{values}}", values(report)),
        ("{{settings}}", escaped(&settings)),
        // Last: what is in the data is not looked at again.
        ("{{data}}", data),
    ];
    Ok(fills.into_iter().fold(PAGE.to_owned(), |page, (place, text)| page.replace(place, &text)))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A number as people read it: no more digits than say something.
fn figure(value: f64) -> String {
    match value.abs() {
        size if size == 0.0 || (size >= 1.0 && value.fract() == 0.0) || size >= 1_000.0 => grouped(value),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// 1234567 as "1 234 567", with narrow spaces.
fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::from(if value < 0.0 { "-" } else { "" });
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// `deliver_ms` as "deliver": the unit stands beside the figure.
fn spoken(name: &str) -> String {
    let name = name.strip_suffix("_s").filter(|name| !name.ends_with("_per")).unwrap_or(name);
    let words = name.split('_').filter(|word| !matches!(*word, "ms" | "us" | "mb"));
    let words = words.map(|word| match word {
        "server" => "node",
        "load" => "generator",
        "cpu" => "CPU",
        "resident" => "memory",
        word => word,
    });
    words.collect::<Vec<_>>().join(" ")
}

/// A figure with its unit, as people write the two.
fn shown(name: &str, value: f64, unit: &str) -> (String, String) {
    match unit {
        "" if name.ends_with("_ratio") => (format!("{}", (value * 1e5).floor() / 1e3), "%".into()),
        "us" => (figure(value), "µs".into()),
        _ => (figure(value), escaped(unit)),
    }
}

fn verdict(report: &Report) -> String {
    if report.errors.is_empty() {
        return "<p class=\"verdict good\">No errors</p>".into();
    }
    let mut list = String::new();
    for (name, count) in &report.errors {
        // Writing into a string cannot fail.
        let _ = write!(list, "<li><b>{}</b> {}</li>", figure(*count as f64), escaped(&spoken(name)));
    }
    format!("<div class=\"verdict bad\"><p>This run has errors</p><ul>{list}</ul></div>")
}

/// The figures that a reader looks for first: each workload has some of these.
const FIRST: &[&str] = &[
    "accept_to_speech_ms",
    "ring_ms",
    "acknowledged_per_s",
    "caught_up_s",
    "connections",
    "server_bytes_per_connection",
    "delivered_ratio",
    "deliver_ms",
    "sent_to_last_delivered_ms",
    "added_latency_ms",
    "rekey_everybody_ms",
    "late_first_frame_ms",
    "server_cpu_us_per_packet",
    "server_cpu_us_per_delivery",
    "server_cpu_ms_per_call",
    "server_cpu_ms_per_device",
    "server_cpu_share",
    "load_cpu_share",
    "load_cpu_s",
    "server_resident_max_mb",
];

/// Tiles that fit above the plots.
const TILES_MAX: usize = 6;

fn tiles(report: &Report) -> String {
    let mut tiles = String::new();
    let found = FIRST.iter().filter_map(|name| Some((name, report.metrics.get(*name)?)));
    for (name, metric) in found.take(TILES_MAX) {
        let (value, unit, beside) = match metric {
            Metric::Distribution { unit, p50, p99, .. } => {
                (*p50, *unit, format!("median; p99 {} {unit}", figure(*p99)))
            }
            Metric::Value { unit, value } => (*value, *unit, String::new()),
        };
        let (value, unit) = shown(name, value, unit);
        let _ = write!(
            tiles,
            "<div class=\"tile\"><span class=\"name\">{}</span><span class=\"figure\">{} <small>{}</small></span><span class=\"beside\">{}</span></div>",
            escaped(&spoken(name)),
            value,
            unit,
            escaped(&beside)
        );
    }
    tiles
}

fn distributions(report: &Report) -> String {
    let mut rows = String::new();
    for (name, metric) in &report.metrics {
        if let Metric::Distribution { unit, count, p50, p99, max } = metric {
            let _ = write!(
                rows,
                "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                escaped(&spoken(name)),
                figure(*p50),
                figure(*p99),
                figure(*max),
                escaped(unit),
                figure(*count as f64)
            );
        }
    }
    rows
}

fn values(report: &Report) -> String {
    let mut rows = String::new();
    for (name, metric) in &report.metrics {
        if let Metric::Value { unit, value } = metric {
            let (value, unit) = shown(name, *value, unit);
            let _ = write!(
                rows,
                "<tr><th scope=\"row\">{}</th><td>{value}</td><td>{unit}</td></tr>",
                escaped(&spoken(name))
            );
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Plots;
    use std::collections::BTreeMap;

    fn report(reason: &str) -> Report {
        Report {
            workload: "chat".into(),
            commit: "abc".into(),
            machine: "a machine".into(),
            metrics: BTreeMap::from([("acknowledged_per_s".into(), Metric::value("1/s", 1_234.5))]),
            errors: BTreeMap::new(),
            plots: Plots { reason: reason.into(), ..Plots::default() },
        }
    }

    #[test]
    fn nothing_in_the_data_becomes_markup() {
        let page = page(&report("</script><script>alert(1)</script>")).unwrap();
        assert!(!page.contains("<script>alert"), "the reason became a script");
        assert_eq!(page.matches("</script>").count(), 2, "the data and the plots' script");
        assert!(!page.contains("{{"), "a place was not filled");
    }

    #[test]
    fn nothing_is_fetched() {
        let page = page(&report("x")).unwrap();
        assert!(page.contains("default-src 'none'"));
        for from_elsewhere in ["src=", "href=", "url(", "@import", "fetch(", "http://", "https://"] {
            let namespace = "http://www.w3.org/2000/svg";
            assert!(!page.replace(namespace, "").contains(from_elsewhere), "{from_elsewhere}");
        }
    }

    #[test]
    fn errors_are_seen_first() {
        let mut report = report("x");
        assert!(page(&report).unwrap().contains("No errors"));
        report.errors.insert("undelivered".into(), 3);
        let page = page(&report).unwrap();
        assert!(page.contains("This run has errors") && page.contains("<b>3</b> undelivered"), "{page}");
    }

    #[test]
    fn figures_are_readable() {
        let wanted = [
            (0.0, "0"),
            (12.0, "12"),
            (1_234_567.4, "1\u{202f}234\u{202f}567"),
            (0.25, "0.25"),
            (18.04, "18.0"),
            (0.0123, "0.012"),
        ];
        for (value, text) in wanted {
            assert_eq!(figure(value), text);
        }
        assert_eq!(spoken("server_cpu_us_per_delivery"), "node CPU per delivery");
        assert_eq!((spoken("sent_per_s"), spoken("caught_up_s")), ("sent per s".into(), "caught up".into()));
        assert_eq!(shown("delivered_ratio", 0.999_996, ""), ("99.999".into(), "%".into()), "never rounded up to all");
    }
}
