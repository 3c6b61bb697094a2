//! What the desktop is told.

use crate::desktop::Desktop;
use crate::lab::{Lab, Says, write_own};
use crate::window::Window;

/// Statement 70.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_stations_that_go_down_at_once_are_one_notification() {
    let names = ["LAB-WS01", "LAB-WS02", "LAB-WS03", "LAB-WS04", "LAB-WS05"];
    // More that go on: when all are silent it is the ingest that stands still.
    let others = ["LAB-WS06", "LAB-WS07", "LAB-WS08", "LAB-WS09", "LAB-WS10"];
    let (desktop, lab) = (Desktop::start().await, Lab::of(&[names, others].concat()).await);
    let _window = Window::paired(&desktop, &lab, &[]).await;
    desktop.bus.until_shape("ready").await;
    assert!(desktop.bus.told().is_empty(), "what was so at the start is not told");
    lab.set(names.map(|name| (name, None)));
    for name in names {
        lab.until_is(name, "down").await;
    }
    let told = desktop
        .bus
        .until_told("stations that went down", |told| format!("{} {}", told.title, told.body).contains('5'))
        .await;
    desktop.bus.until_shape("down").await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let all = desktop.bus.told();
    assert_eq!(all.len(), 1, "{told:?} is the only one: {all:?}");
}

/// Somebody sits at it.
const TAKEN: Says = |beat| beat.local_session("profe");

/// Statement 71; and its button says to the gateway that the person leaves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn that_this_pc_is_needed_is_told_although_notifications_are_paused() {
    let (desktop, lab) = (Desktop::start().await, Lab::of(&["LAB-WS01", "LAB-WS02"]).await);
    let folder = lab.lab_station();
    lab.says("LAB-WS01", TAKEN).await;
    write_own(&folder, "LAB-WS01", TAKEN);
    let window = Window::paired(&desktop, &lab, &["--lab-station", folder.to_str().unwrap()]).await;
    desktop.bus.choose("a pause", |path| path.starts_with("Pause notifications/")).await;
    desktop.bus.until_entry("the end of the pause", |path| path.ends_with("turn on")).await;
    lab.reserve("R-71", "LAB-WS01", 10).await;
    let told = desktop.bus.until_told("to leave", |told| told.body.contains("R-71")).await;
    assert!(told.is_urgent, "it shows in spite of a full screen: {told:?}");
    let texts: Vec<&str> = told.buttons.iter().map(|(_, text)| text.as_str()).collect();
    assert!(texts.contains(&"I am leaving") && texts.contains(&"Give me 10 minutes"), "{texts:?}");
    let (leaving, _) = told.buttons.iter().find(|(_, text)| text == "I am leaving").unwrap().clone();
    desktop.bus.press(&told, &leaving).await;
    let request = lab.until_row("that somebody leaves", "/api/v1/requests", |row| row["kind"] == "leaving").await;
    assert_eq!(request["host"], "LAB-WS01");
    window.until("the receipt", "return document.querySelector('.own [role=status]') !== null").await;
}

/// Statement 68.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_more_minutes_are_granted_asked_and_refused_and_each_is_shown() {
    for (minutes, first) in [(45, "granted"), (5, "asked")] {
        let (desktop, lab) = (Desktop::start().await, Lab::of(&["LAB-WS01", "LAB-WS02"]).await);
        let folder = lab.lab_station();
        lab.says("LAB-WS01", TAKEN).await;
        write_own(&folder, "LAB-WS01", TAKEN);
        lab.reserve("R-68", "LAB-WS01", minutes).await;
        let window = Window::paired(&desktop, &lab, &["--lab-station", folder.to_str().unwrap()]).await;
        window.until_shown(".own [data-more-time=offer]").await;
        window.click(".own .buttons button:last-child").await;
        window.until_shown(&format!(".own [data-more-time={first}]")).await;
        if first == "asked" {
            let asked = lab.until_row("the request", "/api/v1/requests", |row| row["kind"] == "more_time").await;
            lab.answer(asked["id"].as_str().unwrap(), false).await;
            window.until_shown(".own [data-more-time=refused]").await;
        }
    }
}
