//! A chat that takes Slack's incoming webhooks.

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, RequestBuilder};
use serde_json::json;
use stationkeeper_rules::Message;

use crate::connections::Webhook;
use crate::document::IDEMPOTENCY_KEY;
use crate::wording::{Wording, shortened};

/// Slack cuts a text here.
const MOST_CHARACTERS: usize = 3_900;

pub(crate) fn request(http: &Client, to: &Webhook, message: &Message, wording: &Wording) -> RequestBuilder {
    http.post(to.url.expose())
        .header(CONTENT_TYPE, "application/json")
        .header(IDEMPOTENCY_KEY, &message.id.0)
        .body(json!({ "text": text(wording) }).to_string())
}

fn text(wording: &Wording) -> String {
    // Shortened first: half an escape would be shown as it is.
    let body = shortened(&wording.plain(), MOST_CHARACTERS);
    format!("*{}*\n{}", escaped(&wording.subject.replace('*', "∗")), escaped(&body))
}

/// What Slack asks to be escaped. Whatever else marks up needs `<`, or changes how a text looks and nothing of what it says.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_station_says_calls_or_links() {
        for (text, shown) in [
            ("<!channel> look", "&lt;!channel&gt; look"),
            ("<https://example.org|bank>", "&lt;https://example.org|bank&gt;"),
            ("a & b &lt;", "a &amp; b &amp;lt;"),
        ] {
            assert_eq!(escaped(text), shown);
        }
    }
}
