//! Headless Chromium, for what only a real browser can show: scripts, styles, cookies as they really are.

use std::path::Path;

use serde_json::{Value, json};

use crate::{guarded::Guarded, peers};

/// One browser with one page.
pub struct Chromium {
    process: Guarded,
}

impl Chromium {
    pub async fn start() -> Self {
        Self::start_with(json!({})).await
    }

    /// With options of Playwright's browser context, for example `{"javaScriptEnabled": false}`.
    pub async fn start_with(options: Value) -> Self {
        let mut browser = Self {
            process: Guarded::start(&mut peers::node("browser.cjs")),
        };
        browser.command(options).await;
        browser
    }

    /// Opens a page; answers with its status.
    pub async fn goto(&mut self, url: &str) -> u64 {
        let status = self.command(json!({"goto": url})).await;
        status.as_u64().unwrap_or_default()
    }

    /// Types into the field that the selector names (Playwright's selectors: CSS, `text=…`, `role=…`).
    pub async fn fill(&mut self, selector: &str, text: &str) {
        self.command(json!({"fill": [selector, text]})).await;
    }

    pub async fn click(&mut self, selector: &str) {
        self.command(json!({"click": selector})).await;
    }

    pub async fn press(&mut self, key: &str) {
        self.command(json!({"press": key})).await;
    }

    /// Types where the focus is.
    pub async fn type_text(&mut self, text: &str) {
        self.command(json!({"type": text})).await;
    }

    /// Roles and names there, as assistive technology is told them: Playwright's ARIA snapshot.
    pub async fn aria(&mut self, selector: &str) -> String {
        crate::text(&self.command(json!({"aria": selector})).await)
    }

    /// What a person reads there; waits until it is there.
    pub async fn text(&mut self, selector: &str) -> String {
        crate::text(&self.command(json!({"text": selector})).await)
    }

    pub async fn wait_for(&mut self, selector: &str) {
        self.command(json!({"wait_for": selector})).await;
    }

    pub async fn url(&mut self) -> String {
        crate::text(&self.command(json!({"url": true})).await)
    }

    /// The value of an expression in the page.
    pub async fn script(&mut self, expression: &str) -> Value {
        self.command(json!({"script": expression})).await
    }

    pub async fn viewport(&mut self, width: u32, height: u32) {
        self.command(json!({"viewport": [width, height]})).await;
    }

    /// The whole page as a PNG, for a person to look at.
    pub async fn screenshot(&mut self, path: &Path) {
        self.command(json!({"screenshot": path})).await;
    }

    /// What the console and the network complained about since the last asking.
    pub async fn problems(&mut self) -> Vec<String> {
        let problems = self.command(json!({"problems": true})).await;
        serde_json::from_value(problems).expect("a list of texts")
    }

    /// The URLs asked for since the last asking.
    pub async fn requests(&mut self) -> Vec<String> {
        let requests = self.command(json!({"requests": true})).await;
        serde_json::from_value(requests).expect("a list of texts")
    }

    async fn command(&mut self, command: Value) -> Value {
        self.process.send(&command);
        let mut answer: Value = serde_json::from_str(&self.process.line().await).expect("JSON");
        match answer.get("error") {
            Some(problem) => panic!("{command}: {problem}"),
            None => answer["ok"].take(),
        }
    }
}
