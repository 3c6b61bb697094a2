//! Pairing, and what the window may do.

use fantoccini::key::Key;
use stationkeeper_tests::programs::variable;
use stationkeeper_tests::waiting::{PATIENCE, until};

use crate::desktop::{Desktop, Keychain};
use crate::lab::{Lab, UNREADY, code};
use crate::window::Window;

/// Statement 64, in the window; a code that has expired, which takes ten minutes, is told apart in `tray_client`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_address_and_a_wrong_code_are_two_sentences_and_connect_to_nothing() {
    let (desktop, lab) = (Desktop::start().await, Lab::of(&["LAB-WS01"]).await);
    let window = Window::paired(&desktop, &lab, &[]).await;
    window.click("[data-tab=settings]").await;
    window.click("button.harm").await;
    window.click("[role=alertdialog] button.harm").await;

    window.retype("input[name=gateway]", "http://127.0.0.1:1").await;
    let address = window.says(".looked.down").await;
    window.retype("input[name=gateway]", lab.page()).await;
    window.until_shown(".looked.ready").await;
    assert!(window.says(".looked.ready").await.starts_with("Found: Stationkeeper"));
    window.type_into("input[name=code]", "ZZZZ-ZZZZ").await;
    window.click("button.primary").await;
    let wrong = window.says(".trouble p").await;
    assert_ne!(address, wrong);
    assert!(!window.has("[data-row]").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_says_where_it_leads_and_connects_only_whoever_agrees() {
    let (desktop, lab) = (Desktop::start().await, Lab::of(&["LAB-WS01"]).await);
    let link = format!("stationkeeper://pair?gateway={}&code={}", lab.page(), code(&lab.up, "instructor").await);
    let window = Window::open(&desktop, &[&link]).await;
    let address = lab.page().trim_start_matches("http://");
    let says = format!("return document.querySelector('h1')?.innerText.includes('{address}')");
    window.until("where the link leads", &says).await;
    assert!(!window.has("[data-row], input").await, "nothing is connected yet");
    window.click("button.primary").await;
    window.until_shown("[data-row]").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_window_reaches_nothing_but_the_commands_of_its_page() {
    let (desktop, lab) = (Desktop::start().await, Lab::of(&["LAB-WS01"]).await);
    let window = Window::paired(&desktop, &lab, &[]).await;
    let styled = window.run("return document.querySelectorAll('[style], script:not([src])').length").await;
    assert_eq!(styled, 0, "neither styles nor scripts stand in the page");
    let tried = format!(
        "const seen = []; addEventListener('securitypolicyviolation', (event) => seen.push(event.effectiveDirective));
         const script = document.createElement('script'); script.textContent = 'window.ran = true'; document.head.append(script);
         const frame = document.createElement('iframe'); frame.src = '{page}'; document.body.append(frame);
         fetch('{page}/health').then(() => seen.push('answered'), () => {{}}).then(() => setTimeout(() => done([seen, window.ran ?? false]), 300))",
        page = lab.page()
    );
    let tried = window.run_to_end(&tried).await;
    let blocked: Vec<&str> = tried[0].as_array().unwrap().iter().filter_map(|one| one.as_str()).collect();
    for directive in ["connect-src", "frame-src"] {
        assert!(blocked.contains(&directive), "{directive} is open: {tried}");
    }
    assert!(blocked.iter().any(|one| one.starts_with("script-src")), "a script of its own ran: {tried}");
    assert!(!blocked.contains(&"answered") && tried[1] == false, "{tried}");
    for command in ["plugin:app|version", "plugin:event|emit", "plugin:window|create", "plugin:autostart|enable"] {
        let script = format!(
            "window.__TAURI__.core.invoke('{command}', {{}}).then(() => done('done'), (error) => done(String(error)))"
        );
        let answer = window.run_to_end(&script).await;
        assert!(answer.as_str().unwrap().contains("not allowed"), "{command}: {answer}");
    }
}

/// Statement 73: the keyboard.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_list_has_the_keyboard_and_all_goes_without_a_mouse() {
    let (desktop, lab) = (Desktop::start().await, Lab::of(&["LAB-WS01", "LAB-WS02"]).await);
    let window = Window::paired(&desktop, &lab, &[]).await;
    let focus = "return document.activeElement.dataset.host ?? document.activeElement.tagName";
    window
        .until(
            "the first station to have the keyboard",
            &format!("{focus} === 'LAB-WS01'").replace("return ", "return (").replace(" ===", ") ==="),
        )
        .await;
    window.press(&[Key::Down]).await;
    assert_eq!(window.run(focus).await, "LAB-WS02");
    window.press(&[Key::Enter]).await;
    window.until("the card", "return document.querySelector('.head h1')?.innerText === 'LAB-WS02'").await;
    // Every control can be reached by Tab, none keeps the keyboard.
    let all = window.run("return [...document.querySelectorAll('button:not([disabled]), input, select')].length").await;
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..all.as_u64().unwrap() + 4 {
        window.press(&[Key::Tab]).await;
        let one = window
            .run("return [...document.querySelectorAll('button, input, select')].indexOf(document.activeElement)")
            .await;
        seen.extend(one.as_i64().filter(|index| *index >= 0));
    }
    assert_eq!(seen.len() as u64, all.as_u64().unwrap(), "some control is out of reach");
    assert!(desktop.shows_window());
    window.press(&[Key::Escape]).await;
    until("the window to be hidden", PATIENCE, async || (!desktop.shows_window()).then_some(())).await;
    assert!(desktop.bus.has_app().await, "the icon stays");
    desktop.bus.until_icon().await;
}

/// Statement 73: what a checker of pages finds, part by part, in light and dark.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn axe_finds_nothing_in_any_part() {
    let axe = std::fs::read_to_string(variable("STATIONKEEPER_TEST_AXE").expect("it names axe-core's script")).unwrap();
    for theme in ["Adwaita", "Adwaita:dark"] {
        let desktop = Desktop::start_with(Keychain::Absent, &[("GTK_THEME", theme)]).await;
        let lab = Lab::of(&["LAB-WS01", "LAB-WS02"]).await;
        lab.says("LAB-WS02", UNREADY).await;
        lab.reserve("R-73", "LAB-WS01", 30).await;
        let window = Window::open(&desktop, &["--gateway", lab.page()]).await;
        window.until_shown(".looked.ready").await;
        window.run(&axe).await;
        let check = async |part: &str| {
            let script = "axe.run(document).then((found) => done(found.violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.html).join(' ')}`)), (error) => done([String(error)]))";
            assert_eq!(window.run_to_end(script).await, serde_json::json!([]), "{part}, {theme}");
        };
        check("pairing").await;
        window.pair(&code(&lab.up, "instructor").await).await;
        window
            .until("the state", "return document.querySelector('[data-host=LAB-WS02]')?.dataset.state === 'attention'")
            .await;
        check("list").await;
        window.open_card("LAB-WS01").await;
        check("card").await;
        window.click("[data-hold] [data-command='ask-hold-60:LAB-WS01']").await;
        window.until_shown("[role=alertdialog]").await;
        check("question").await;
        for part in ["upcoming", "settings"] {
            window.click(&format!("[data-tab={part}]")).await;
            window.until_shown(&format!("[data-tab={part}][aria-current=page]")).await;
            check(part).await;
        }
    }
}
