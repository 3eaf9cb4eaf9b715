//! What was measured, as JSON, as lines, and as one page that needs nothing else.
use crate::limit::Limits;
use crate::spread::{Spread, ratio};
use anyhow::{Context as _, Result};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// One comparison: the same load on several systems, in turns.
#[derive(Debug, Serialize)]
pub struct Report {
    /// What was compared, as in file names.
    pub name: String,
    /// In a sentence.
    pub what: String,
    /// The commit of the checkout.
    pub commit: String,
    /// The machine and the build.
    pub machine: String,
    /// Versions of the others.
    pub peers: Vec<String>,
    /// What the machine can do at all, by round.
    pub limits: Vec<Limits>,
    /// Every round, in the order in which they were run.
    pub rounds: Vec<Round>,
    /// Ours to each other system, by metric.
    pub ratios: BTreeMap<String, Spread>,
}

/// One system in one round.
#[derive(Debug, Serialize)]
pub struct Round {
    /// The system.
    pub system: &'static str,
    /// Its figures.
    pub figures: BTreeMap<&'static str, f64>,
    /// What was agreed on to protect the packets.
    pub protection: BTreeMap<String, u64>,
}

/// Our own system's name.
pub const OURS: &str = "wardline";

impl Report {
    /// A system's figures of one metric, in the order of rounds.
    pub fn series(&self, system: &str, metric: &str) -> Vec<f64> {
        let rounds = self.rounds.iter().filter(|round| round.system == system);
        rounds.filter_map(|round| round.figures.get(metric).copied()).collect()
    }

    /// The systems, ours first.
    pub fn systems(&self) -> Vec<&'static str> {
        let mut systems: Vec<&'static str> = Vec::new();
        for round in &self.rounds {
            if !systems.contains(&round.system) {
                systems.push(round.system);
            }
        }
        systems.sort_by_key(|system| *system != OURS);
        systems
    }

    fn metrics(&self) -> Vec<&'static str> {
        let mut metrics: Vec<&'static str> = self.rounds.iter().flat_map(|r| r.figures.keys().copied()).collect();
        metrics.sort_unstable();
        metrics.dedup();
        metrics
    }

    /// Works out the ratios.
    pub fn compare(&mut self) {
        for other in self.systems().into_iter().filter(|system| *system != OURS) {
            for metric in self.metrics() {
                let spread = ratio(&self.series(OURS, metric), &self.series(other, metric));
                if spread.runs > 0 {
                    self.ratios.insert(format!("{OURS}/{other} {metric}"), spread);
                }
            }
        }
    }

    /// The figures as lines for a terminal.
    pub fn lines(&self) -> String {
        let mut out = format!("{}: {}\n  {} at {}\n", self.name, self.what, self.machine, self.commit);
        for metric in self.metrics() {
            for system in self.systems() {
                let spread = Spread::of(self.series(system, metric));
                let _ = write!(out, "  {metric:<28} {system:<10} {spread}");
                match self.ratios.get(&format!("{OURS}/{system} {metric}")) {
                    Some(ratio) => {
                        let _ = writeln!(out, "   ratio {ratio}");
                    }
                    None => out.push('\n'),
                }
            }
        }
        let limit = |of: fn(&Limits) -> f64| Spread::of(self.limits.iter().map(of));
        if !self.limits.is_empty() {
            let _ = writeln!(out, "  limit: send                  {}", limit(|l| l.send_us));
            let _ = writeln!(out, "  limit: send, 8 a call        {}", limit(|l| l.send_gso_us));
            let _ = writeln!(out, "  limit: seal AES-128-GCM      {}", limit(|l| l.seal_aes_128_gcm_us));
            let _ = writeln!(out, "  limit: seal AES-256-GCM      {}", limit(|l| l.seal_aes_256_gcm_us));
        }
        for (system, protection) in self.protection() {
            let _ = writeln!(out, "  {system}: {protection}");
        }
        out
    }

    fn protection(&self) -> Vec<(&'static str, String)> {
        let of = |system| self.rounds.iter().find(|round| round.system == system);
        let text = |round: &Round| {
            round.protection.iter().map(|(name, count)| format!("{name} ({count})")).collect::<Vec<_>>().join(", ")
        };
        self.systems().into_iter().filter_map(|system| Some((system, text(of(system)?)))).collect()
    }

    /// Writes JSON and page into a folder; gives the page's path.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn write(&self, folder: &Path) -> Result<PathBuf> {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let json = serde_json::to_string_pretty(self)?;
        std::fs::write(folder.join(format!("{}.json", self.name)), json + "\n")?;
        let page = folder.join(format!("{}.html", self.name));
        std::fs::write(&page, self.page())?;
        Ok(page)
    }

    fn page(&self) -> String {
        let mut body = String::new();
        for metric in self.metrics() {
            body.push_str(&self.plot(metric));
        }
        let notes = self.protection().into_iter().map(|(system, text)| format!("<li>{system}: {text}</li>"));
        let notes: String = notes.chain(self.peers.iter().map(|peer| format!("<li>{peer}</li>"))).collect();
        format!(
            "<!doctype html><meta charset=utf-8><title>{name}</title><style>{STYLE}</style><h1>{name}</h1><p>{what}</p>\
             <p class=small>{machine}, commit {commit}</p>{body}<ul>{notes}</ul>",
            name = self.name,
            what = self.what,
            machine = self.machine,
            commit = self.commit,
        )
    }

    // A row for each system: a dot for each run, a line at the median. Where the metric is the cost, the machine's limits are lines across.
    fn plot(&self, metric: &str) -> String {
        let systems = self.systems();
        let all: Vec<f64> = systems.iter().flat_map(|system| self.series(system, metric)).collect();
        let most = all.iter().copied().fold(0.0, f64::max);
        if most == 0.0 {
            return format!("<h2>{}</h2><p class=small>None, in any run of any system.</p>", title(metric));
        }
        let step = step(most);
        let top = (most / step).ceil() * step;
        let x = |value: f64| LEFT + value / top * (WIDTH - LEFT - 30.0);
        let height = 40.0 + ROW * systems.len() as f64;
        let name = title(metric);
        let mut svg = format!("<h2>{name}</h2><svg viewBox='0 0 {WIDTH} {height}' role=img aria-label='{name}'>");
        let mut tick = 0.0;
        while tick <= top + step / 2.0 {
            let (at, y) = (x(tick), height - 12.0);
            let _ = write!(
                svg,
                "<line x1={at} x2={at} y1=4 y2={} class=grid /><text x={at} y={y} class=tick>{}</text>",
                height - 28.0,
                digits(tick)
            );
            tick += step;
        }
        if metric == "cpu_us_per_packet" {
            for (_, of) in LIMITS {
                let at = x(Spread::of(self.limits.iter().map(of)).median);
                let _ = write!(svg, "<line x1={at} x2={at} y1=4 y2={} class=limit />", height - 28.0);
            }
        }
        for (row, system) in systems.iter().enumerate() {
            let series = self.series(system, metric);
            let (spread, y) = (Spread::of(series.iter().copied()), 22.0 + ROW * row as f64);
            let ratio = self.ratios.get(&format!("{OURS}/{system} {metric}"));
            let ratio = ratio.map(|ratio| format!(" (ours is {:.2} of it)", ratio.median)).unwrap_or_default();
            let median = digits(spread.median);
            let _ = write!(svg, "<text x=0 y={} class=name>{system}: {median}{ratio}</text>", y + 4.0);
            let at = x(spread.median);
            let _ = write!(svg, "<line x1={at} x2={at} y1={} y2={} class=median />", y - 9.0, y + 9.0);
            for value in series {
                let _ = write!(
                    svg,
                    "<circle cx={} cy={y} r=4 class='{}'><title>{value:.3}</title></circle>",
                    x(value),
                    if *system == OURS { "ours" } else { "theirs" }
                );
            }
        }
        svg += "</svg>";
        if metric == "cpu_us_per_packet" && !self.limits.is_empty() {
            svg.push_str(
                "<p class=small>Dashed: what one core of this machine can do at all, measured in the same run. ",
            );
            for (name, of) in LIMITS {
                let limit = Spread::of(self.limits.iter().map(of)).median;
                let _ = write!(svg, "{name}: {} us", digits(limit));
                for system in &systems {
                    let times = Spread::of(self.series(system, metric)).median / limit.max(1e-9);
                    let _ = write!(svg, ", {system} {times:.1} times");
                }
                svg.push_str(". ");
            }
            svg.push_str("</p>");
        }
        svg
    }
}

/// A limit's name for a person, and how it is read.
type Limit = (&'static str, fn(&Limits) -> f64);

/// The machine's limits that a packet's cost is shown beside.
const LIMITS: [Limit; 2] = [
    ("Sealing and sending, 8 packets a call", Limits::least_us),
    ("A send call for each packet", |limits| limits.send_us),
];

/// A metric's name for a person.
fn title(metric: &str) -> String {
    let known = match metric {
        "cpu_us_per_packet" => "Server CPU for each packet delivered, us",
        "cpu_us_per_delivery" => "Server CPU for each delivery, us",
        "delivered_ratio" => "Delivered, of what was to be",
        "delivered_p50_ms" => "Sent to delivered, half took no longer, ms",
        "delivered_p99_ms" => "Sent to delivered, 99 of 100 took no longer, ms",
        "delivered_max_ms" => "Sent to delivered, the longest, ms",
        "frames_opened" => "Frames opened by the sample of receivers",
        "frames_undecryptable" => "Frames that did not open",
        "join_cpu_ms" => "Server CPU to let one participant in, ms",
        "latency_p50_ms" => "Added latency, half took no longer, ms",
        "latency_p99_ms" => "Added latency, 99 of 100 took no longer, ms",
        "latency_max_ms" => "Added latency, the longest, ms",
        "load_cpu_us_per_packet" => "The generator's own CPU for each packet, us",
        "memory_kb_per_participant" => "Server memory for each participant, kB",
        "memory_kb_per_device" => "Server memory for each device, kB",
        other => other,
    };
    known.to_owned()
}

/// A round distance of ticks: four to eight of them up to `most`.
fn step(most: f64) -> f64 {
    let power = 10_f64.powf(most.log10().floor());
    let steps = [0.2, 0.5, 1.0, 2.0].map(|of| of * power);
    steps.into_iter().find(|step| most / step <= 8.0).unwrap_or(power)
}

/// A figure to three digits or so.
fn digits(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        small if small < 0.995 => format!("{value:.3}").trim_end_matches('0').to_owned(),
        small if small < 100.0 => format!("{value:.2}").trim_end_matches('0').trim_end_matches('.').to_owned(),
        _ => format!("{value:.0}"),
    }
}

const WIDTH: f64 = 900.0;
const LEFT: f64 = 300.0;
const ROW: f64 = 28.0;
const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:960px;margin:2rem auto;padding:0 1rem;color:#1a2733;background:#fff}\
h2{font-size:1rem;margin:1.5rem 0 .25rem}svg{width:100%;height:auto;font-size:12px}.small{color:#5b6b78}.grid{stroke:#dde4ea}.tick{text-anchor:middle;fill:#5b6b78}\
.name{fill:#1a2733}.median{stroke:#1a2733;stroke-width:2}.limit{stroke:#b3261e;stroke-dasharray:4 3}.ours{fill:#00796b;fill-opacity:.75}.theirs{fill:#7a5c00;fill-opacity:.6}\
@media(prefers-color-scheme:dark){body{color:#e3eaf0;background:#10181f}.name{fill:#e3eaf0}.median{stroke:#e3eaf0}.grid{stroke:#2a3742}.tick,.small{fill:#9fb0bd;color:#9fb0bd}.ours{fill:#4db6ac}.theirs{fill:#e0b84c}}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_and_page_come_from_the_rounds() {
        let round = |system, cost| Round {
            system,
            figures: BTreeMap::from([("cpu_us_per_packet", cost)]),
            protection: BTreeMap::from([("AEAD_AES_256_GCM".to_owned(), 2)]),
        };
        let rounds = vec![round("janus", 10.0), round(OURS, 4.0), round(OURS, 3.0), round("janus", 10.0)];
        let mut report = Report {
            name: "test".into(),
            what: "a test".into(),
            commit: "0".into(),
            machine: "none".into(),
            peers: Vec::new(),
            limits: vec![Limits::default()],
            rounds,
            ratios: BTreeMap::new(),
        };
        report.compare();
        let spread = &report.ratios["wardline/janus cpu_us_per_packet"];
        assert_eq!((spread.median, spread.min, spread.max), (0.35, 0.3, 0.4));
        assert_eq!(report.systems(), [OURS, "janus"]);
        assert_eq!((step(25.4), step(0.9), step(1_800.0)), (5.0, 0.2, 500.0));
        assert_eq!(
            (digits(0.25), digits(7.4), digits(12.0), digits(1_800.0)),
            ("0.25".into(), "7.4".into(), "12".into(), "1800".into())
        );
        let folder = tempfile::tempdir().unwrap();
        let page = std::fs::read_to_string(report.write(folder.path()).unwrap()).unwrap();
        assert!(page.contains("ours is 0.35 of it") && !page.contains("http"), "it needs nothing else");
    }
}
