//! `verify-web`
use super::Outcome;
use super::arguments::VerifyWeb;
use crate::admin::AdminError;
use crate::admin::verify_web::{self, Question, Report};
use serde_json::json;

pub(super) async fn verify(asked: &VerifyWeb) -> Result<Outcome, AdminError> {
    let VerifyWeb { url, sha256, list, ca } = asked;
    let question = Question { url, sha256: sha256.as_deref(), list: list.as_deref(), ca: ca.as_deref() };
    let report = verify_web::verify(&question).await?;
    let json = json!({
        "same": report.is_same(), "files": report.file_count,
        "published_sha256": report.published_sha256, "served_sha256": report.served_sha256,
        "differs": report.differs, "missing": report.missing, "extra": report.extra,
    });
    Ok(if report.is_same() {
        let Report { file_count, published_sha256, .. } = &report;
        Outcome::done(
            format!("{url} serves the published web client: {file_count} files, SHA-256 {published_sha256}."),
            json,
        )
    } else {
        Outcome::differs(different(url, &report), json)
    })
}

fn different(url: &str, report: &Report) -> String {
    let mut lines = vec![format!("{url} DOES NOT SERVE THE PUBLISHED WEB CLIENT.")];
    let served = report.served_sha256.as_deref().unwrap_or("none");
    if served != report.published_sha256 {
        lines.push(format!("  published SHA-256  {}", report.published_sha256));
        lines.push(format!("  the node's list    {served}"));
    }
    for (word, paths) in [("differs", &report.differs), ("missing", &report.missing), ("extra", &report.extra)] {
        lines.extend(paths.iter().map(|path| format!("  {word}  {path}")));
    }
    if report.differs.is_empty() && report.missing.is_empty() && report.extra.is_empty() {
        lines.push(
            "  The node keeps to its own list: it serves another release, or changed files under a changed list."
                .into(),
        );
        lines.push("  To see which files, give the published list: --list sha256sums.txt".into());
    }
    lines.push("If no update explains it, let nobody use the page, and find out who changed it.".into());
    lines.join("\n")
}
