//! Links that operators give out. A link is never followed unasked: whoever clicked it sees where it leads.

use std::sync::Arc;

use stationkeeper_api::phrase;
use stationkeeper_tray_view::pairing::PairingLink;

use crate::act;
use crate::arguments::Arguments;
use crate::companion::{Companion, Route, Trouble};

/// The app was started while it runs.
pub fn started_again(companion: &Arc<Companion>, second: Arguments) {
    if let Some(gateway) = second.gateway {
        let mut state = companion.state();
        if state.connection.as_ref().map(|one| &one.gateway) != Some(&gateway) {
            state.suggested = Some(gateway);
            state.route = Route::Pairing;
        }
    }
    match &second.link {
        Some(link) => opened(companion, link),
        None => act::show(companion),
    }
}

/// A link was opened.
pub fn opened(companion: &Arc<Companion>, link: &str) {
    {
        let mut state = companion.state();
        match link.parse::<PairingLink>() {
            Ok(link) => {
                state.offer = Some(link);
                state.trouble = None;
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a link that leads nowhere");
                let text = phrase(state.language(), "window", "bad_link", &[]);
                (state.offer, state.trouble) = (None, Some(Trouble { text, request_id: None }));
            }
        }
        state.route = Route::Pairing;
    }
    act::show(companion);
}
