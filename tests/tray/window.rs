//! The app's window, driven by WebDriver.

use std::time::Duration;

use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::key::Key;
use fantoccini::wd::Capabilities;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use stationkeeper_tests::programs::Running;
use stationkeeper_tests::waiting::{PATIENCE, until};

use crate::desktop::{Desktop, app};
use crate::lab::{Lab, code};

/// What a wake or a lab at many times its speed may take on a loaded computer.
pub const LONG: Duration = Duration::from_secs(150);

/// See the module. The app ends with its desktop.
pub struct Window {
    client: Client,
    _driver: Running,
}

impl Window {
    /// Starts the app with these arguments.
    pub async fn open(desktop: &Desktop, arguments: &[&str]) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut driver = desktop.command("WebKitWebDriver");
        driver.arg(format!("--port={port}")).env("TAURI_AUTOMATION", "true").env("TAURI_WEBVIEW_AUTOMATION", "true");
        let log = desktop.folder().join(format!("driver-{port}.log"));
        let mut driver = Running::start(driver, "WebKitWebDriver", &log);
        driver.keep_output(&log.with_extension("out"));
        until("a driver of windows", PATIENCE, async || std::net::TcpStream::connect(("127.0.0.1", port)).ok()).await;
        let mut wanted = Capabilities::new();
        wanted.insert("webkitgtk:browserOptions".to_owned(), json!({ "binary": app(), "args": arguments }));
        let address = format!("http://127.0.0.1:{port}");
        let client = ClientBuilder::new(HttpConnector::new()).capabilities(wanted).connect(&address).await;
        let window = Self { client: client.expect("the app shows a window"), _driver: driver };
        window.until_shown("main").await;
        window
    }

    /// Starts the app and pairs it with the lab, as an instructor called Ana.
    pub async fn paired(desktop: &Desktop, lab: &Lab, arguments: &[&str]) -> Self {
        let mut all = vec!["--gateway", lab.page()];
        all.extend(arguments);
        let window = Self::open(desktop, &all).await;
        window.pair(&code(&lab.up, "instructor").await).await;
        window
    }

    /// Types a code and connects; ends at the list.
    pub async fn pair(&self, code: &str) {
        self.until_shown(".looked.ready").await;
        self.type_into("input[name=code]", code).await;
        self.click("button.primary").await;
        self.until_shown("[data-tab=list][aria-current=page]").await;
        self.until_shown("[data-row]").await;
    }

    /// What a script returns.
    pub async fn run(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// What a script, which calls `done`, says in the end.
    pub async fn run_to_end(&self, script: &str) -> Value {
        let script = format!("const done = arguments[0]; {script}");
        self.client.execute_async(&script, Vec::new()).await.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// Waits until a script returns something that is true; says what the window showed when it never did.
    pub async fn until(&self, what: &str, script: &str) -> Value {
        self.until_within(what, PATIENCE, script).await
    }

    /// As [`until`](Self::until), with another patience.
    pub async fn until_within(&self, what: &str, within: Duration, script: &str) -> Value {
        let look = async || {
            let seen = self.client.execute(script, Vec::new()).await.ok()?;
            (!matches!(seen, Value::Null | Value::Bool(false)) && seen != "" && seen != 0).then_some(seen)
        };
        let begun = std::time::Instant::now();
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            if begun.elapsed() > within {
                panic!("{what}: not within {} s, the window shows\n{}", within.as_secs(), self.text().await);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// All that it says.
    pub async fn text(&self) -> String {
        self.run("return document.body.innerText").await.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until there is such an element.
    pub async fn until_shown(&self, css: &str) {
        self.until(css, &format!("return document.querySelector({}) !== null", json!(css))).await;
    }

    /// Waits until there is none.
    pub async fn until_gone(&self, css: &str) {
        self.until(&format!("no {css}"), &format!("return document.querySelector({}) === null", json!(css))).await;
    }

    /// Waits until it says this somewhere, and gives back all that it says.
    pub async fn until_says(&self, text: &str) -> String {
        let script = format!("const all = document.body.innerText; return all.includes({}) ? all : null", json!(text));
        self.until(&format!("“{text}”"), &script).await.as_str().unwrap().to_owned()
    }

    /// Whether there is such an element now.
    pub async fn has(&self, css: &str) -> bool {
        self.run(&format!("return document.querySelector({}) !== null", json!(css))).await == true
    }

    /// What an element says; it must be there in time.
    pub async fn says(&self, css: &str) -> String {
        let script = format!("return document.querySelector({})?.innerText", json!(css));
        self.until(css, &script).await.as_str().unwrap().to_owned()
    }

    /// Clicks an element as a person does, once it is there and can be clicked.
    pub async fn click(&self, css: &str) {
        self.until(css, &format!("const one = document.querySelector({}); return one && !one.disabled", json!(css)))
            .await;
        let element = self.client.find(Locator::Css(css)).await.unwrap();
        element.click().await.unwrap_or_else(|error| panic!("{css} cannot be clicked: {error}"));
    }

    /// Types into an empty field.
    pub async fn type_into(&self, css: &str, text: &str) {
        self.until_shown(css).await;
        self.client.find(Locator::Css(css)).await.unwrap().send_keys(text).await.unwrap();
    }

    /// Replaces what stands in a field.
    pub async fn retype(&self, css: &str, text: &str) {
        self.until_shown(css).await;
        self.client.find(Locator::Css(css)).await.unwrap().clear().await.unwrap();
        self.type_into(css, text).await;
    }

    /// Presses keys, one after another.
    pub async fn press(&self, keys: &[Key]) {
        let mut actions = KeyActions::new("keyboard".to_owned());
        for key in keys {
            let value = char::from(*key);
            actions = actions.then(KeyAction::Down { value }).then(KeyAction::Up { value });
        }
        self.client.perform_actions(actions).await.unwrap();
    }

    /// Opens a station's card from the list.
    pub async fn open_card(&self, host: &str) {
        self.click(&format!("[data-row][data-host={host}]")).await;
        self.until("the card", &format!("return document.querySelector('.head h1')?.innerText === '{host}'")).await;
    }

    /// The word that the card has for its station.
    pub async fn until_card_is(&self, state: &str) {
        self.until_within(
            state,
            LONG,
            &format!("return document.querySelector('.head [data-state]')?.dataset.state === '{state}'"),
        )
        .await;
    }
}
