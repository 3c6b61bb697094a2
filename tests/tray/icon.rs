//! The icon and its menu.

use std::time::{Duration, Instant};

use stationkeeper_tests::waiting::{PATIENCE, until};

use crate::desktop::Desktop;
use crate::lab::{Lab, READY, UNREADY};
use crate::window::Window;

/// Statement 61: from the gateway's word to the icon. That the pictures differ in grey is a test of the app's own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_icon_follows_the_worst_state_within_three_seconds() {
    let (desktop, lab) = (Desktop::start().await, Lab::of(&["LAB-WS01", "LAB-WS02"]).await);
    let _window = Window::paired(&desktop, &lab, &[]).await;
    desktop.bus.until_shape("ready").await;
    for (says, state, shape) in [(UNREADY, "attention", "attention"), (READY, "ready", "ready")] {
        lab.says("LAB-WS02", says).await;
        lab.until_is("LAB-WS02", state).await;
        let known = Instant::now();
        desktop.bus.until_shape(shape).await;
        assert!(known.elapsed() < Duration::from_secs(3), "{shape} came after {:?}", known.elapsed());
    }
    // One that sends no more is down, which is worse than one that needs attention.
    lab.says("LAB-WS02", UNREADY).await;
    lab.set([("LAB-WS01", None)]);
    lab.until_is("LAB-WS01", "down").await;
    desktop.bus.until_shape("down").await;
}

/// Statement 62.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_menu_has_at_most_twelve_entries_with_forty_stations_in_five_laboratories() {
    let names: Vec<(String, String)> =
        (0..40).map(|number| (format!("LAB-WS{:02}", number + 1), format!("Lab {}", number % 5 + 1))).collect();
    let stations: Vec<(&str, &str)> = names.iter().map(|(name, lab)| (name.as_str(), lab.as_str())).collect();
    let (desktop, lab) = (Desktop::start().await, Lab::of_labs(&stations, &[]).await);
    lab.set([
        ("LAB-WS01", Some(UNREADY)),
        ("LAB-WS02", Some(UNREADY)),
        ("LAB-WS03", Some(UNREADY)),
        ("LAB-WS04", Some(UNREADY)),
    ]);
    let _window = Window::paired(&desktop, &lab, &[]).await;
    desktop.bus.until_shape("attention").await;
    let entry = desktop.bus.until_entry("all of a laboratory", |path| path.contains("/Lab 5/")).await;
    assert!(!entry.is_top);
    let menu = desktop.bus.menu().await;
    let top: Vec<&str> = menu.iter().filter(|entry| entry.is_top).map(|entry| entry.path.as_str()).collect();
    assert!((6..=12).contains(&top.len()), "{top:?}");
    for word in ["Open Stationkeeper", "Quit"] {
        assert!(top.contains(&word), "{top:?}");
    }
}

/// Statement 63; and what the other entries of the menu do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_start_shows_the_first_ones_window_and_the_menu_pauses_and_quits() {
    let (desktop, lab) = (Desktop::start().await, Lab::of(&["LAB-WS01"]).await);
    let window = Window::paired(&desktop, &lab, &[]).await;
    desktop.bus.until_shape("ready").await;
    let process = desktop.bus.id_of_app().await;
    let hidden = async || until("no window", PATIENCE, async || (!desktop.shows_window()).then_some(())).await;
    let shown = async || until("the window", PATIENCE, async || desktop.shows_window().then_some(())).await;
    window.press(&[fantoccini::key::Key::Escape]).await;
    hidden().await;
    desktop.start_again(&[]);
    shown().await;
    assert_eq!(desktop.bus.id_of_app().await, process, "it is the first one still");
    until("the keyboard", PATIENCE, async || desktop.window_is_active().then_some(())).await;
    desktop.press("Escape");
    hidden().await;
    desktop.bus.click("Open Stationkeeper").await;
    shown().await;

    desktop.bus.choose("a pause", |path| path.starts_with("Pause notifications/")).await;
    desktop.bus.until_shape("paused").await;
    desktop.bus.choose("the end of the pause", |path| path.ends_with("turn on")).await;
    desktop.bus.until_shape("ready").await;
    desktop.bus.click("Quit").await;
    until("the end", PATIENCE, async || (!desktop.bus.has_app().await).then_some(())).await;
}

/// As it starts with the desktop.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn started_minimized_it_is_an_icon_alone_until_somebody_wants_to_see_it() {
    let desktop = Desktop::start().await;
    let _app = desktop.run_app(&["--minimized"]);
    desktop.bus.until_icon().await;
    let process = desktop.bus.id_of_app().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!desktop.shows_window());
    desktop.start_again(&[]);
    until("the window", PATIENCE, async || desktop.shows_window().then_some(())).await;
    assert_eq!(desktop.bus.id_of_app().await, process);
    // Drivers of graphics cards would take more memory than the rest of the app, and stay when the window is gone.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let loaded = std::fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
    assert!(loaded.contains("libwebkit2gtk"));
    for driver in ["_dri.so", "libgallium", "libLLVM", "libEGL_"] {
        assert!(!loaded.contains(driver), "{driver} is in the app's process");
    }
}
