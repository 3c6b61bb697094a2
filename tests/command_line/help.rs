//! Help and completions.

use stationkeeper_tests::binary::run;

const COMMANDS: [&[&str]; 50] = [
    &["up"],
    &["gateway"],
    &["normalize"],
    &["decode-event"],
    &["replay"],
    &["simulate"],
    &["status"],
    &["alerts"],
    &["alerts", "explain"],
    &["ack"],
    &["resolve"],
    &["actions"],
    &["actions", "approve"],
    &["actions", "withdraw"],
    &["silence", "add"],
    &["silence", "list"],
    &["silence", "end"],
    &["notifications"],
    &["notifications", "retry"],
    &["notifications", "test"],
    &["raw"],
    &["migrate"],
    &["bench", "ingest"],
    &["config", "check"],
    &["config", "apply"],
    &["reserve"],
    &["reserve", "list"],
    &["reserve", "cancel"],
    &["reserve", "import"],
    &["hold"],
    &["release"],
    &["wake"],
    &["run"],
    &["token", "add"],
    &["token", "pair"],
    &["token", "list"],
    &["token", "revoke"],
    &["audit"],
    &["hosts", "list"],
    &["hosts", "add"],
    &["hosts", "remove"],
    &["hosts", "credentials"],
    &["hosts", "rotate-key"],
    &["station", "add"],
    &["station", "history"],
    &["queue", "status"],
    &["queue", "redrive"],
    &["train-dictionary"],
    &["completions"],
    &["help"],
];

#[test]
fn every_command_says_what_it_is_for_and_shows_an_example() {
    for command in COMMANDS.iter().filter(|command| command[0] != "help") {
        let ran = run(command.iter().chain(&["--help"])).succeeded();
        let help = ran.text();
        assert!(help.lines().next().is_some_and(|line| !line.is_empty() && !line.starts_with("Usage")), "{help}");
        let line = format!("stationkeeper {}", command.join(" "));
        let example = help.split("Example").nth(1).unwrap_or_else(|| panic!("{line}: no example in\n{help}"));
        assert!(example.contains(&line), "{line}: the example shows the command, not {example}");
    }
}

#[test]
fn every_command_that_exists_is_tested_here() {
    let help = run(["--help"]).succeeded().text();
    let listed: Vec<_> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let mut known: Vec<_> = COMMANDS.iter().map(|command| command[0]).collect();
    known.dedup();
    assert_eq!(listed, known);
}

#[test]
fn every_shell_gets_its_completions() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = run(["completions", shell]).succeeded().text();
        for word in ["decode-event", "shuffle", "stationkeeper"] {
            assert!(script.contains(word), "{shell} completes {word}");
        }
    }
}

#[test]
fn the_version_is_said() {
    let said = run(["--version"]).succeeded().text();
    assert_eq!(said.trim_end(), format!("stationkeeper {}", env!("CARGO_PKG_VERSION")));
}
