//! Compares what a node serves to browsers with the published web client, file by file.
//!
//! The published hash is that of a list of all files; the list is served like any other file. Absent on purpose: trust in that list. It counts only when
//! its hash is the published one, or when the published list itself was given. What this cannot see is a node that serves something else to somebody else.
mod browser;
mod list;
#[cfg(test)]
mod tests;

pub use list::LIST_NAME;

use browser::{Browser, Fetched};
use list::{Hash, List};
use std::path::{Path, PathBuf};

/// The page, which the node fills a fresh nonce into each time.
const PAGE: &str = "index.html";

/// Addresses that show the page: where it is opened, and where enrolment links lead.
const PAGE_PATHS: [&str; 2] = ["/", "/enrol"];

/// Around the nonce, as in relay's `web::files`; and what stands there in the published page.
const NONCE_META: &str = r#"<meta name="csp-nonce" content=""#;
const NONCE_PLACE: &str = "__CSP_NONCE__";

/// Characters of a nonce.
const NONCE_CHARS_MAX: usize = 64;

/// Nothing was compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// Not an address to ask.
    #[error("\"{0}\": {1}")]
    Address(String, String),
    /// Not a hash.
    #[error("\"{0}\" is no SHA-256 hash: give the 64 digits that were published with the release")]
    Hash(String),
    /// The list that was given.
    #[error("{0}: {1}")]
    List(PathBuf, String),
    /// The authority's file.
    #[error("{0}: {1}. Give the certificate of the authority that signed the page's, in PEM")]
    Authority(PathBuf, String),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// The node does not answer, or not as this node.
    #[error("{place} cannot be read: {reason}")]
    Unreachable {
        /// Where.
        place: String,
        /// Why.
        reason: String,
    },
    /// A node before this list, or one without a web client.
    #[error(
        "the node has no list of its files (/{LIST_NAME}): it was built without the web client, or is older. \
         With --list, the published list is taken"
    )]
    NoList,
}

/// What is compared with what.
pub struct Question<'a> {
    /// The page's address.
    pub url: &'a str,
    /// The published hash.
    pub sha256: Option<&'a str>,
    /// The published list, which has that hash.
    pub list: Option<&'a Path>,
    /// Whose certificates are believed.
    pub ca: Option<&'a Path>,
}

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The published hash.
    pub published_sha256: String,
    /// The hash of the node's own list; nothing when it has none.
    pub served_sha256: Option<String>,
    /// Files compared.
    pub file_count: usize,
    /// Served, and other than published.
    pub differs: Vec<String>,
    /// Published, and not served.
    pub missing: Vec<String>,
    /// In the node's list, and not published.
    pub extra: Vec<String>,
}

impl Report {
    /// The node serves what was published, and nothing else.
    pub fn is_same(&self) -> bool {
        let same_list = self.served_sha256.as_ref() == Some(&self.published_sha256);
        same_list && self.differs.is_empty() && self.missing.is_empty() && self.extra.is_empty()
    }
}

/// Fetches and compares.
pub async fn verify(question: &Question<'_>) -> Result<Report, VerifyError> {
    let published =
        question.sha256.map(|text| list::parse_hash(text).ok_or_else(|| VerifyError::Hash(text.to_owned())));
    let published = published.transpose()?;
    let given = question.list.map(|path| given(path, published)).transpose()?;
    let mut browser = Browser::new(question.url, question.ca)?;
    let served = browser.fetch(&format!("/{LIST_NAME}"), false).await?.map(|Fetched { bytes, .. }| bytes);
    let served_hash = served.as_deref().map(list::hash);
    let served_list = served.as_deref().and_then(|bytes| List::parse(bytes).ok());

    let mut report = Report { served_sha256: served_hash.as_ref().map(list::show_hash), ..Report::default() };
    let expected = match (&given, &served_list, published) {
        (Some((list, hash)), _, _) => {
            report.published_sha256 = list::show_hash(hash);
            list
        }
        // Under another hash than the published one it is still worth knowing whether the node keeps to its own list.
        (None, Some(list), Some(published)) => {
            report.published_sha256 = list::show_hash(&published);
            list
        }
        (None, _, _) => return Err(VerifyError::NoList),
    };
    compare(&mut browser, expected, &mut report).await?;
    if let Some(served) = &served_list {
        report.extra =
            served.files().filter(|(path, _)| expected.get(path).is_none()).map(|(path, _)| path.to_owned()).collect();
    }
    Ok(report)
}

/// The published list, if it is the one of the hash.
fn given(path: &Path, published: Option<Hash>) -> Result<(List, Hash), VerifyError> {
    let wrong = |reason: String| VerifyError::List(path.to_owned(), reason);
    let bytes = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let hash = list::hash(&bytes);
    if published.is_some_and(|published| published != hash) {
        return Err(wrong(format!("this list has the hash {}, which is not the one given", list::show_hash(&hash))));
    }
    Ok((List::parse(&bytes).map_err(wrong)?, hash))
}

async fn compare(browser: &mut Browser, expected: &List, report: &mut Report) -> Result<(), VerifyError> {
    for (path, hash) in expected.files() {
        // What lies compressed beside a file is what browsers get when they ask for the file.
        if path.strip_suffix(".gz").is_some_and(|plain| expected.get(plain).is_some()) {
            continue;
        }
        report.file_count += 1;
        let found = if path == PAGE {
            page(browser, hash).await?
        } else {
            file(browser, path, hash, expected.get(&format!("{path}.gz"))).await?
        };
        match found {
            Some(true) => {}
            Some(false) => report.differs.push(path.to_owned()),
            None => report.missing.push(path.to_owned()),
        }
    }
    Ok(())
}

/// Whether a file is the published one, to a browser and to whoever takes nothing compressed.
async fn file(
    browser: &mut Browser,
    path: &str,
    plain: &Hash,
    gzip: Option<&Hash>,
) -> Result<Option<bool>, VerifyError> {
    let address = format!("/{path}");
    let mut same = true;
    for encoded in [true, false] {
        let Some(Fetched { encoding, bytes }) = browser.fetch(&address, encoded).await? else { return Ok(None) };
        let expected = match encoding.as_str() {
            "" | "identity" => Some(plain),
            "gzip" => gzip,
            _ => None,
        };
        same &= expected == Some(&list::hash(&bytes));
    }
    Ok(Some(same))
}

async fn page(browser: &mut Browser, expected: &Hash) -> Result<Option<bool>, VerifyError> {
    let mut same = true;
    for address in PAGE_PATHS {
        let Some(Fetched { encoding, bytes }) = browser.fetch(address, true).await? else { return Ok(None) };
        same &= encoding.is_empty() && without_nonce(&bytes).is_some_and(|page| list::hash(&page) == *expected);
    }
    Ok(Some(same))
}

/// The page as it was published. Nothing where the nonce's place holds anything else.
fn without_nonce(page: &[u8]) -> Option<Vec<u8>> {
    let page = std::str::from_utf8(page).ok()?;
    let (before, rest) = page.split_once(NONCE_META)?;
    let (nonce, after) = rest.split_once('"')?;
    let plain =
        nonce.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_'));
    (plain && nonce.len() <= NONCE_CHARS_MAX)
        .then(|| format!("{before}{NONCE_META}{NONCE_PLACE}\"{after}").into_bytes())
}
