//! Enrolment sheets: what the IT admin hands to a person, on paper or in a terminal. They hold the code and are secret until used.
use crate::admin::date;
use qrcode::types::QrError;
use qrcode::{Color, EcLevel, QrCode};
use std::fmt::Write;
use wardline_directory::invitation::Invitation;
use wardline_directory::key::PublicKey;
use wardline_directory::{AccountRecord, NodeRecord};
use zeroize::Zeroizing;

/// Modules of white around a QR code (ISO/IEC 18004 section 6.3.8).
const QUIET_ZONE: usize = 4;

/// What one sheet says.
pub struct Sheet {
    /// The name people read.
    pub display_name: String,
    /// The short unique name.
    pub handle: String,
    /// What the person does, and where.
    pub role: String,
    /// The enrolment link.
    pub link: Zeroizing<String>,
    /// Until when it is good, Unix ms.
    pub expires_at_ms: u64,
}

impl Sheet {
    /// The sheet of an invitation.
    pub fn new(account: &AccountRecord, invitation: &Invitation, root: PublicKey, node: &NodeRecord) -> Self {
        Self {
            display_name: account.display_name.clone(),
            handle: account.handle.clone(),
            role: account.role.clone(),
            link: invitation.link(root, node),
            expires_at_ms: invitation.expires_at_ms,
        }
    }

    /// For a terminal: a QR code of half-block characters, and the link below it.
    pub fn terminal(&self) -> Result<Zeroizing<String>, QrError> {
        let mut text = Zeroizing::new(format!("{} ({})\n{}\n", self.display_name, self.handle, self.role));
        let code = code(&self.link)?;
        let side = code.width() + 2 * QUIET_ZONE;
        let light = |x: usize, y: usize| !is_dark(&code, x, y);
        for y in (0..side).step_by(2) {
            for x in 0..side {
                // Light on dark: the terminal's own background is dark more often than not, and scanners want the white border.
                text.push(match (light(x, y), y + 1 < side && light(x, y + 1)) {
                    (true, true) => '█',
                    (true, false) => '▀',
                    (false, true) => '▄',
                    (false, false) => ' ',
                });
            }
            text.push('\n');
        }
        let end = date::show(self.expires_at_ms);
        text.push_str(&format!("{}\ngood once, until {end}\n", self.link.as_str()));
        Ok(text)
    }

    fn html(&self, page: &mut String) -> Result<(), QrError> {
        let code = code(&self.link)?;
        let side = code.width() + 2 * QUIET_ZONE;
        let mut path = String::new();
        for y in 0..side {
            for x in (0..side).filter(|x| is_dark(&code, *x, y)) {
                // Writing to a String cannot fail.
                let _ = write!(path, "M{x} {y}h1v1h-1z");
            }
        }
        let [name, handle, role] = [&self.display_name, &self.handle, &self.role].map(|text| escape(text));
        page.push_str(&format!(
            "<section><h1>{name}</h1><p>{role}</p><p>Kürzel / handle: <b>{handle}</b></p>\
             <svg viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\"><rect width=\"{side}\" height=\"{side}\" \
             fill=\"#fff\"/><path d=\"{path}\"/></svg><p class=\"link\">{}</p>\
             <p>Einmal gültig bis / good once, until {}. Geheim halten / keep secret.</p></section>\n",
            escape(&self.link),
            date::show(self.expires_at_ms),
        ));
        Ok(())
    }
}

/// All sheets as one HTML page that prints one person a page and loads nothing.
pub fn html(sheets: &[Sheet]) -> Result<Zeroizing<String>, QrError> {
    let mut page = Zeroizing::new(String::from(
        "<!doctype html>\n<html lang=\"de\"><meta charset=\"utf-8\"><title>Wardline</title>\n<style>\
         body{font-family:sans-serif;margin:0}section{page-break-after:always;padding:2cm}svg{width:8cm;height:8cm}\
         .link{font-family:monospace;font-size:9pt;overflow-wrap:anywhere}</style>\n",
    ));
    for sheet in sheets {
        sheet.html(&mut page)?;
    }
    page.push_str("</html>\n");
    Ok(page)
}

/// A tenth of the code may be unreadable; more would only make it denser.
fn code(link: &str) -> Result<QrCode, QrError> {
    QrCode::with_error_correction_level(link, EcLevel::M)
}

fn is_dark(code: &QrCode, x: usize, y: usize) -> bool {
    let inside = |at: usize| at.checked_sub(QUIET_ZONE).filter(|at| *at < code.width());
    inside(x).zip(inside(y)).is_some_and(|at| code[at] == Color::Dark)
}

fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut escaped, c| {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c => escaped.push(c),
        }
        escaped
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet() -> Sheet {
        Sheet {
            display_name: "Anna <Ärztin>".into(),
            handle: "anna".into(),
            role: "Station \"1\" & 2".into(),
            link: Zeroizing::new(format!("wardline://enrol#{}", "Ab3_".repeat(45))),
            expires_at_ms: 1_795_493_700_000,
        }
    }

    #[test]
    fn a_terminal_shows_code_link_and_end() {
        let text = sheet().terminal().unwrap();
        let qr: Vec<&str> = text.lines().filter(|line| line.contains('█')).collect();
        let width = qr[0].chars().count();
        assert!(qr.iter().all(|line| line.chars().count() == width) && width.abs_diff(qr.len() * 2) <= 1);
        assert!(width <= 80, "it fits a terminal: {width}");
        assert!(text.contains(sheet().link.as_str()) && text.contains("2026-11-24 04:15 UTC"));
    }

    #[test]
    fn a_page_loads_nothing_and_escapes_names() {
        let page = html(&[sheet(), sheet()]).unwrap();
        assert_eq!(page.matches("<section>").count(), 2);
        assert!(page.contains("Anna &lt;Ärztin&gt;") && page.contains("Station &quot;1&quot; &amp; 2"));
        assert!(!page.contains("http") && !page.contains("src=") && !page.contains("<script"));
    }

    #[test]
    fn the_finder_pattern_is_where_a_scanner_looks() {
        let code = code("wardline").unwrap();
        assert!((0..7).all(|i| is_dark(&code, QUIET_ZONE + i, QUIET_ZONE)));
        assert!(!is_dark(&code, 0, 0) && !is_dark(&code, QUIET_ZONE + 7, QUIET_ZONE));
        let side = code.width() + 2 * QUIET_ZONE;
        assert!(!is_dark(&code, side - 1, side - 1));
    }
}
