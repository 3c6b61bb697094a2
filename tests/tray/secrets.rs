//! Where the token is, and where it is not.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::desktop::{Desktop, Keychain};
use crate::lab::Lab;
use crate::window::Window;

/// Every file below a folder whose bytes have this in them.
fn files_with(folder: &Path, needle: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(files_with(&path, needle)),
            Ok(kind) if kind.is_file() => {
                let bytes = std::fs::read(&path).unwrap_or_default();
                if bytes.windows(needle.len()).any(|window| window == needle) {
                    found.push(path.display().to_string());
                }
            }
            _ => {}
        }
    }
    found
}

/// What the token of the app begins with: every token of a gateway does.
const TOKEN: &[u8] = b"sk_";

/// Statement 65.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_token_is_in_the_keychain_and_nowhere_else() {
    let (desktop, lab) = (Desktop::start_with(Keychain::Open, &[]).await, Lab::of(&["LAB-WS01"]).await);
    let window = Window::paired(&desktop, &lab, &[]).await;
    window.click("[data-tab=settings]").await;
    window.until_shown("[data-kept=keychain]").await;
    // The keychain's own file is encrypted.
    assert_eq!(files_with(&desktop.home(), TOKEN), Vec::<String>::new());
    let script = "return [document.documentElement.outerHTML, JSON.stringify({ ...localStorage }), JSON.stringify({ ...sessionStorage }), document.cookie].join()";
    let page = window.run(script).await;
    assert!(!page.as_str().unwrap().contains("sk_"), "the page has a token");
    let view =
        window.run_to_end("window.__TAURI__.core.invoke('view').then((view) => done(JSON.stringify(view)))").await;
    assert!(view.as_str().unwrap().contains("Ana") && !view.as_str().unwrap().contains("sk_"), "{view}");
    assert!(!desktop.log().contains("sk_"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_keychain_the_token_is_in_a_file_for_this_user_alone_and_the_window_says_so() {
    let (desktop, lab) = (Desktop::start().await, Lab::of(&["LAB-WS01"]).await);
    let window = Window::paired(&desktop, &lab, &[]).await;
    window.click("[data-tab=settings]").await;
    window.until_shown("[data-kept=file]").await;
    let file = desktop.kept().join("token");
    assert_eq!(files_with(&desktop.home(), TOKEN), [file.display().to_string()]);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    window.click("button.harm").await;
    window.click("[role=alertdialog] button.harm").await;
    window.until_shown("input[name=gateway]").await;
    assert_eq!(files_with(&desktop.home(), TOKEN), Vec::<String>::new(), "it goes with the connection");
}
