//! One person among many, a large group to look at: a node with its page, a group of so many members, and one account that a person (or a browser under test)
//! signs in with. For what no generated load shows: how a real client feels among a thousand.
//!
//! Says what happened as JSON lines on standard output, and does what it is told on standard input: `add` takes the person into the group, `say
//! TEXT` sends a message to it, the end of input ends everything. One founder is a full member; the others are witnesses.
use crate::crowd::Full;
use crate::device::{self, Roads};
use crate::node::{Node, Page};
use crate::witness::{OnEntry, Witness};
use anyhow::{Context as _, Result, bail, ensure};
use serde_json::json;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use wardline_client::core::Command;
use wardline_protocol::{AccountId, ConversationId};

/// How long one step may take.
const STEP_MAX: Duration = Duration::from_secs(120);

/// Lines of standard input that are read ahead.
const LINES_WAITING_MAX: usize = 16;

struct Crowd {
    founder: Full,
    // Held: a witness that is dropped is gone.
    witnesses: Vec<Witness>,
    conversation: ConversationId,
    person: AccountId,
    /// Held: without it everybody is cut off.
    _up: watch::Sender<bool>,
}

/// Makes a group that has `members` members once the person is in, and serves until standard input ends.
///
/// # Errors
/// When the node cannot be started or the group not be made; what was told and cannot be done.
pub async fn run(members: usize, program: Option<&Path>) -> Result<()> {
    ensure!(members >= 3, "--members must be at least 3: a founder, a witness and the person");
    let page = Page::free()?;
    let node = Node::start_with(program, members, Some(page)).await.context("starting the node")?;
    let crowd = Crowd::gather(&node).await.with_context(|| format!("the node's last words: {}", node.log()))?;
    let link = format!("http://localhost:{}/enrol#{}", page.0.port(), node.code(members - 1)?);
    say(&json!({ "event": "ready", "link": link, "members": crowd.witnesses.len() + 1 }))?;
    let (told, mut lines) = mpsc::channel(LINES_WAITING_MAX);
    // A thread of its own, because reading standard input blocks; it ends with the input.
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if told.blocking_send(line).is_err() {
                return;
            }
        }
    });
    while let Some(line) = lines.recv().await {
        crowd.obey(line.trim()).await?;
    }
    crowd.founder.member.end().await?;
    for witness in crowd.witnesses {
        witness.end().await?;
    }
    Ok(())
}

impl Crowd {
    async fn gather(node: &Node) -> Result<Self> {
        let invitations = node.invitations();
        let (person, others) = invitations.split_last().context("an account for the person")?;
        let (first, rest) = others.split_first().context("an account for the founder")?;
        let live = Arc::default();
        let (roads, up) = Roads::new(node.access().clone(), Arc::clone(&live));
        let founder = Full::start(&roads, &live, device::enrol(node.access(), first).await?, 0).await?;
        let mut witnesses = Vec::with_capacity(rest.len());
        for invitation in rest {
            let identity = device::enrol(node.access(), invitation).await?;
            let unheeded: OnEntry = Box::new(|_, _| {});
            witnesses.push(Witness::start(roads.clone(), identity, unheeded).await?);
        }
        let accounts = witnesses.iter().map(|witness| witness.account).collect();
        let conversation = founder.create_group("Das ganze Haus", accounts).await?;
        Ok(Self { founder, witnesses, conversation, person: person.account_id, _up: up })
    }

    async fn obey(&self, line: &str) -> Result<()> {
        let conversation = self.conversation;
        let began = Instant::now();
        let (done, command) = match line.split_once(' ') {
            None if line == "add" => ("added", Command::AddAccounts { conversation, accounts: vec![self.person] }),
            Some(("say", text)) => ("sent", Command::Send { conversation, text: text.to_owned() }),
            _ => bail!("`{line}` is not understood: write `add` or `say TEXT`"),
        };
        tokio::time::timeout(STEP_MAX, self.founder.member.command(command)).await??;
        say(&json!({ "event": done, "ms": began.elapsed().as_secs_f64() * 1e3 }))
    }
}

fn say(line: &serde_json::Value) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
