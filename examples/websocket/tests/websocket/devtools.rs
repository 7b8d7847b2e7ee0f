//! Headless Chromium, driven by the DevTools protocol over a pipe.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::{Value, json};

use crate::process::PATIENCE;

/// A browser, killed when it is dropped. Its answers come through a thread, so that each wait has a deadline.
pub(crate) struct Browser {
    child: Child,
    input: ChildStdin,
    messages: Receiver<Value>,
    /// The events that came before an answer.
    events: Vec<Value>,
    profile: PathBuf,
    last_id: u64,
}

/// A page in a window of its own.
pub(crate) struct Page {
    session: String,
}

impl Browser {
    /// Starts Chromium; returns `None` if it is not installed.
    pub(crate) fn start() -> Option<Self> {
        let program = ["chromium", "chromium-browser"]
            .into_iter()
            .find(|program| {
                let version = Command::new(program)
                    .arg("--version")
                    .stderr(Stdio::null())
                    .output();
                version.is_ok_and(|output| output.status.success())
            })?;
        let profile = std::env::temp_dir().join(format!("netloop-chromium-{}", std::process::id()));
        // The browser has the pipe as its descriptors 3 and 4.
        let mut child = Command::new("sh")
            .args([
                "-c",
                "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1",
                program,
            ])
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
            ])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ])
            .args(["--disable-dev-shm-usage", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", profile.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, messages) = mpsc::channel();
        thread::spawn(move || {
            for message in output.split(0).map_while(Result::ok) {
                let message = serde_json::from_slice(&message).unwrap();
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        Some(Self {
            input: child.stdin.take().unwrap(),
            child,
            messages,
            events: Vec::new(),
            profile,
            last_id: 0,
        })
    }

    /// Calls a method of the protocol, and waits for its result.
    fn call(&mut self, session: Option<&str>, method: &str, parameters: &Value) -> Value {
        self.last_id += 1;
        let mut message = json!({ "id": self.last_id, "method": method, "params": parameters });
        if let Some(session) = session {
            message["sessionId"] = json!(session);
        }
        self.input
            .write_all(format!("{message}\0").as_bytes())
            .unwrap();
        loop {
            let mut answer = self.next_message();
            if answer["id"] != self.last_id {
                self.events.push(answer);
                continue;
            }
            assert!(answer["error"].is_null(), "{message}: {answer}");
            return answer["result"].take();
        }
    }

    fn next_message(&self) -> Value {
        let message = self.messages.recv_timeout(PATIENCE);
        message.expect("the browser answers")
    }

    /// Opens a page, and waits until it is loaded.
    pub(crate) fn open(&mut self, address: &str) -> Page {
        let context = self.call(None, "Target.createBrowserContext", &json!({}));
        let target =
            json!({ "url": "about:blank", "browserContextId": context["browserContextId"] });
        let target = self.call(None, "Target.createTarget", &target);
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = self.call(None, "Target.attachToTarget", &attach);
        let page = Page {
            session: attached["sessionId"].as_str().unwrap().to_owned(),
        };
        let session = Some(page.session.as_str());
        // As if the window of each page were in front.
        self.call(
            session,
            "Emulation.setFocusEmulationEnabled",
            &json!({ "enabled": true }),
        );
        self.call(session, "Page.enable", &json!({}));
        self.events.clear();
        self.call(session, "Page.navigate", &json!({ "url": address }));
        let is_loaded = |event: &Value| {
            event["method"] == "Page.loadEventFired" && event["sessionId"] == page.session
        };
        while !self.events.iter().any(is_loaded) {
            let event = self.next_message();
            self.events.push(event);
        }
        page
    }

    /// Returns the value of an expression, or of its promise.
    pub(crate) fn evaluate(&mut self, page: &Page, expression: &str) -> Value {
        let parameters =
            json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let mut result = self.call(Some(&page.session), "Runtime.evaluate", &parameters);
        assert!(
            result["exceptionDetails"].is_null(),
            "{expression}: {result}"
        );
        result["result"]["value"].take()
    }

    /// Waits until the page shows `text`.
    #[track_caller]
    pub(crate) fn sees(&mut self, page: &Page, text: &str) {
        let milliseconds = PATIENCE.as_millis() / 2;
        let shown = self.evaluate(
            page,
            &format!(
                "new Promise((found) => {{
                    const look = () => document.body?.innerText.includes({text}) && found('found');
                    new MutationObserver(look).observe(document, {{ subtree: true, childList: true, characterData: true }});
                    setTimeout(() => found(document.body.innerText), {milliseconds});
                    look();
                }})",
                text = json!(text)
            ),
        );
        assert_eq!(shown, "found", "the page does not show {text:?}");
    }

    /// Types a line at the place that has the focus.
    pub(crate) fn type_line(&mut self, page: &Page, line: &str) {
        self.call(
            Some(&page.session),
            "Input.insertText",
            &json!({ "text": line }),
        );
        for kind in ["keyDown", "keyUp"] {
            let key =
                json!({ "type": kind, "key": "Enter", "text": "\r", "windowsVirtualKeyCode": 13 });
            self.call(Some(&page.session), "Input.dispatchKeyEvent", &key);
        }
    }

    pub(crate) fn resize(&mut self, page: &Page, width: u32, height: u32, is_dark: bool) {
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call(
            Some(&page.session),
            "Emulation.setDeviceMetricsOverride",
            &size,
        );
        let scheme = if is_dark { "dark" } else { "light" };
        let scheme = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call(Some(&page.session), "Emulation.setEmulatedMedia", &scheme);
    }

    /// Leaves a picture of the page with the build, for people to look at.
    pub(crate) fn picture(&mut self, page: &Page, name: &str) {
        let picture = self.call(Some(&page.session), "Page.captureScreenshot", &json!({}));
        let bytes = BASE64_STANDARD
            .decode(picture["data"].as_str().unwrap())
            .unwrap();
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(path, bytes).unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Of the processes of the browser only the first is a child. It ends the others when its pipe ends.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}
