//! A headless Chromium, driven over its debugging pipe (<https://chromedevtools.github.io/devtools-protocol/>).
//!
//! With `--remote-debugging-pipe` it reads orders from file 3 and writes replies and events to file 4, each a JSON text
//! that ends in a NUL byte. Nothing listens on a port, and no driver has to be installed.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

/// Names under which distributions install it.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];

/// It may run this long, in seconds; then it is ended, and reading from it fails.
const LONGEST: &str = "300";

const FLAGS: &str = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
--disable-component-update --disable-sync --disable-dev-shm-usage --hide-scrollbars --remote-debugging-pipe";

/// A browser with one page. It ends when it is dropped.
pub(crate) struct Browser {
    child: Child,
    orders: File,
    replies: BufReader<File>,
    last_id: u64,
    session: Option<String>,
    /// What the page told on its own since this was last taken: events as the protocol names them.
    pub(crate) events: Vec<Value>,
    directory: PathBuf,
}

impl Browser {
    /// Starts it, with a profile of its own below the directory.
    ///
    /// # Errors
    /// No Chromium is installed, or it does not start.
    pub(crate) fn start(below: &Path) -> Result<Self, String> {
        let program = NAMES
            .iter()
            .find(|name| {
                let found = Command::new(name).arg("--version").output();
                found.is_ok_and(|output| output.status.success())
            })
            .ok_or("no Chromium on the path; install it with: apt-get install -y chromium")?;
        let directory = below.join(format!(".browser-{}", std::process::id()));
        let made = |error| format!("{}: {error}", directory.display());
        fs::create_dir_all(&directory).map_err(made)?;
        let (orders, replies) = (directory.join("orders"), directory.join("replies"));
        let pipes = Command::new("mkfifo").args([&orders, &replies]).status();
        if !pipes.is_ok_and(|status| status.success()) {
            return Err(format!("{}: mkfifo failed", directory.display()));
        }
        let script = format!(
            "exec {program} {FLAGS} --user-data-dir=\"$0/profile\" about:blank 3<\"$0/orders\" 4>\"$0/replies\""
        );
        let child = Command::new("timeout")
            .args(["--kill-after=5", LONGEST, "sh", "-c", &script])
            .arg(&directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{program}: {error}"))?;
        // Opening a pipe waits for its other side; the shell opens them in this order.
        let orders = OpenOptions::new().write(true).open(orders).map_err(made)?;
        let replies = File::open(replies).map_err(made)?;
        let mut browser = Self {
            child,
            orders,
            replies: BufReader::new(replies),
            last_id: 0,
            session: None,
            events: Vec::new(),
            directory,
        };
        browser.open_page()?;
        Ok(browser)
    }

    fn open_page(&mut self) -> Result<(), String> {
        let target = self.call("Target.createTarget", json!({"url": "about:blank"}))?;
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = self.call("Target.attachToTarget", attach)?;
        self.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network", "DOM"] {
            self.call(&format!("{domain}.enable"), json!({}))?;
        }
        Ok(())
    }

    /// Gives an order and waits for its reply; events that come meanwhile are kept.
    ///
    /// # Errors
    /// The browser refuses, or is gone.
    pub(crate) fn call(&mut self, method: &str, parameters: Value) -> Result<Value, String> {
        self.last_id += 1;
        let mut order = json!({"id": self.last_id, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            order["sessionId"] = json!(session);
        }
        let mut bytes = order.to_string().into_bytes();
        bytes.push(0);
        self.orders
            .write_all(&bytes)
            .map_err(|error| format!("{method}: the browser is gone ({error})"))?;
        loop {
            let message = self.next_message().map_err(|why| format!("{method}: {why}"))?;
            if message["id"] == json!(self.last_id) {
                return match message.get("error") {
                    Some(error) => Err(format!("{method}: {error}")),
                    None => Ok(message["result"].clone()),
                };
            }
            self.events.push(message);
        }
    }

    /// Opens an address and waits until it is loaded.
    ///
    /// # Errors
    /// It cannot be opened.
    pub(crate) fn open(&mut self, address: &str) -> Result<(), String> {
        let opened = self.call("Page.navigate", json!({"url": address}))?;
        if let Some(error) = opened["errorText"].as_str() {
            return Err(format!("{address}: {error}"));
        }
        let loaded = |event: &Value| event["method"] == json!("Page.loadEventFired");
        while !self.events.iter().any(loaded) {
            let message = self.next_message().map_err(|why| format!("{address}: {why}"))?;
            self.events.push(message);
        }
        Ok(())
    }

    /// The value of an expression in the page.
    ///
    /// # Errors
    /// It throws.
    pub(crate) fn evaluate(&mut self, expression: &str) -> Result<Value, String> {
        let parameters =
            json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let result = self.call("Runtime.evaluate", parameters)?;
        match result.get("exceptionDetails") {
            Some(details) => Err(format!("the check threw: {details}")),
            None => Ok(result["result"]["value"].clone()),
        }
    }

    fn next_message(&mut self) -> Result<Value, String> {
        let mut bytes = Vec::new();
        self.replies.read_until(0, &mut bytes).map_err(|error| error.to_string())?;
        if bytes.pop() != Some(0) {
            return Err("the browser ended".to_owned());
        }
        serde_json::from_slice(&bytes).map_err(|error| format!("no JSON from the browser: {error}"))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.session = None;
        if self.call("Browser.close", json!({})).is_err() {
            // `timeout` hands the signal on; killing it would leave the browser behind.
            let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        }
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// The bytes behind a base64 text (RFC 4648, section 4).
///
/// # Errors
/// A character that does not belong there.
pub(crate) fn from_base64(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for c in text.bytes().filter(|c| *c != b'=') {
        let six = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return Err(format!("byte {c} is not base64")),
        };
        bits = bits << 6 | u32::from(six);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.extend((bits >> held).to_le_bytes().first());
            bits &= (1 << held) - 1;
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_gives_the_bytes_of_the_standards_examples() {
        for (text, bytes) in
            [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYmFy", "foobar")]
        {
            assert_eq!(from_base64(text).unwrap(), bytes.as_bytes());
        }
        assert!(from_base64("Z!").is_err());
    }
}
