//! Janus with its VideoRoom, as Debian ships it, driven over its Unix socket. One event loop for all connections (`event_loops = 1`): that is its
//! cheapest setting; without it, it has a thread for each.
use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use str0m::media::{Direction, MediaKind};
use tempfile::TempDir;
use wardline_loadtest::video::peer::Peer;
use wardline_loadtest::video::{System, process};

/// Starts of one Janus: now and then it says that it has no transport, with the same settings as always, and ends.
const STARTS_MAX: usize = 6;
const START_MAX: Duration = Duration::from_secs(20);
const ANSWER_MAX: Duration = Duration::from_secs(20);
const ASK_EVERY: Duration = Duration::from_millis(50);

/// Bytes of one message at most.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// A running Janus. Dropped, it is ended.
pub struct Janus {
    child: Child,
    folder: TempDir,
    socket: UnixDatagram,
    session: u64,
    asked: u64,
    feeds: Vec<Value>,
    control: u64,
}

impl Janus {
    /// Starts it, tied to a core where one is given.
    ///
    /// # Errors
    /// When it is not installed, or does not come up.
    pub fn start(core: Option<usize>) -> Result<Self> {
        for _ in 1..STARTS_MAX {
            match Self::start_once(core) {
                Ok(janus) => return Ok(janus),
                Err(error) => eprintln!("janus is started again: {error:#}"),
            }
        }
        Self::start_once(core)
    }

    fn start_once(core: Option<usize>) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        configure(folder.path())?;
        let log = std::fs::File::create(folder.path().join("janus.log"))?;
        let config = folder.path().display().to_string();
        let mut command = process::command(Path::new("janus"), &["--configs-folder", &config], core);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().context("starting janus (apt-get install janus)")?;
        let socket = UnixDatagram::bind(folder.path().join("client.sock"))?;
        socket.set_read_timeout(Some(ANSWER_MAX))?;
        let mut janus = Self { child, folder, socket, session: 0, asked: 0, feeds: Vec::new(), control: 0 };
        janus.connect().with_context(|| janus.log())?;
        Ok(janus)
    }

    fn connect(&mut self) -> Result<()> {
        let until = Instant::now() + START_MAX;
        let server = self.folder.path().join("janus.sock");
        while self.socket.connect(&server).is_err() {
            ensure!(self.child.try_wait()?.is_none(), "janus has ended");
            ensure!(Instant::now() < until, "janus does not serve within {START_MAX:?}");
            std::thread::sleep(ASK_EVERY);
        }
        let created = self.ask(json!({"janus": "create"}), "success")?;
        self.session = created["data"]["id"].as_u64().context("a session")?;
        self.control = self.attach()?;
        Ok(())
    }

    // Sends a request and waits for what answers it: an `ack` may come before.
    fn ask(&mut self, mut request: Value, wanted: &str) -> Result<Value> {
        self.asked += 1;
        let transaction = self.asked.to_string();
        request["transaction"] = json!(transaction);
        if self.session > 0 {
            request["session_id"] = json!(self.session);
        }
        self.socket.send(request.to_string().as_bytes())?;
        let mut buffer = vec![0; MESSAGE_BYTES_MAX];
        let until = Instant::now() + ANSWER_MAX;
        loop {
            ensure!(Instant::now() < until, "no {wanted} within {ANSWER_MAX:?}");
            let length = self.socket.recv(&mut buffer).with_context(|| format!("waiting for {wanted}"))?;
            let message: Value = serde_json::from_slice(buffer.get(..length).unwrap_or_default())?;
            if message["transaction"] != json!(transaction) || message["janus"] == "ack" {
                continue;
            }
            let fault = &message["plugindata"]["data"]["error"];
            ensure!(message["janus"] == wanted && fault.is_null(), "janus says {message}");
            return Ok(message);
        }
    }

    fn attach(&mut self) -> Result<u64> {
        let attached = self.ask(json!({"janus": "attach", "plugin": "janus.plugin.videoroom"}), "success")?;
        attached["data"]["id"].as_u64().context("a handle")
    }

    fn message(&mut self, handle: u64, body: Value, jsep: Option<Value>, wanted: &str) -> Result<Value> {
        let mut request = json!({"janus": "message", "handle_id": handle, "body": body});
        if let Some(jsep) = jsep {
            request["jsep"] = jsep;
        }
        self.ask(request, wanted)
    }

    fn log(&self) -> String {
        let log = std::fs::read_to_string(self.folder.path().join("janus.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().filter(|line| !line.contains("has been disabled")).rev().take(12).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

/// Its version, as Debian names it.
pub fn version() -> String {
    let asked = Command::new("dpkg-query").args(["-W", "-f=janus ${Version}", "janus"]).output();
    asked.ok().and_then(|out| String::from_utf8(out.stdout).ok()).unwrap_or_else(|| "janus".into())
}

// Only what differs from its defaults, and no transport but the Unix socket.
fn configure(folder: &Path) -> Result<()> {
    let janus = r#"
general: { debug_level = 3, session_timeout = 0, event_loops = 1, admin_secret = "unused" }
media: { ipv6 = false }
nat: { nice_debug = false }
plugins: { disable = "libjanus_audiobridge.so,libjanus_echotest.so,libjanus_recordplay.so,libjanus_sip.so,libjanus_nosip.so,libjanus_streaming.so,libjanus_textroom.so,libjanus_videocall.so,libjanus_voicemail.so,libjanus_lua.so,libjanus_duktape.so" }
transports: { disable = "libjanus_http.so,libjanus_websockets.so,libjanus_rabbitmq.so,libjanus_mqtt.so,libjanus_nanomsg.so" }
"#;
    let socket = folder.join("janus.sock");
    let unix = format!(
        "general: {{ enabled = true, json = \"compact\", path = \"{}\", type = \"SOCK_DGRAM\" }}\nadmin: {{ admin_enabled = false }}\n",
        socket.display()
    );
    std::fs::write(folder.join("janus.jcfg"), janus)?;
    std::fs::write(folder.join("janus.transport.pfunix.jcfg"), unix)?;
    std::fs::write(folder.join("janus.plugin.videoroom.jcfg"), "general: { }\n")?;
    Ok(())
}

impl System for Janus {
    fn name(&self) -> &'static str {
        "janus"
    }

    fn process(&self) -> u32 {
        self.child.id()
    }

    fn connect_sender(&mut self, room: u32, kind: MediaKind, peer: &mut Peer) -> Result<()> {
        let number = u64::from(room) + 1;
        let create = json!({
            "request": "create", "room": number, "publishers": 2, "bitrate": 20_000_000,
            "audiocodec": "opus", "videocodec": "vp8", "transport_wide_cc_ext": true,
        });
        let control = self.control;
        self.message(control, create, None, "success")?;
        let handle = self.attach()?;
        let join = json!({"request": "join", "ptype": "publisher", "room": number});
        let joined = self.message(handle, join, None, "event")?;
        let feed = joined["plugindata"]["data"]["id"].clone();
        ensure!(!feed.is_null(), "no feed in {joined}");
        let offer = peer.offer(Instant::now(), kind, Direction::SendOnly)?;
        let publish = json!({"request": "publish"});
        let published = self.message(handle, publish, Some(json!({"type": "offer", "sdp": offer})), "event")?;
        let Some(answer) = published["jsep"]["sdp"].as_str() else { bail!("no answer in {published}") };
        peer.take_answer(Instant::now(), answer)?;
        self.feeds.push(feed);
        Ok(())
    }

    fn connect_viewer(&mut self, room: u32, _viewer: u32, _kind: MediaKind, peer: &mut Peer) -> Result<()> {
        let feed = self.feeds.get(room as usize).context("the room's sender")?.clone();
        let handle = self.attach()?;
        let streams = json!([{"feed": feed}]);
        let join = json!({"request": "join", "ptype": "subscriber", "room": u64::from(room) + 1, "streams": streams});
        let attached = self.message(handle, join, None, "event")?;
        let Some(offer) = attached["jsep"]["sdp"].as_str() else { bail!("no offer in {attached}") };
        let answer = peer.answer(Instant::now(), offer)?;
        let start = json!({"request": "start"});
        self.message(handle, start, Some(json!({"type": "answer", "sdp": answer})), "event")?;
        Ok(())
    }

    fn let_send(&mut self, _room: u32) -> Result<()> {
        Ok(())
    }
}

impl Drop for Janus {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
