use rand::SeedableRng;

use super::*;

fn at() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(1_795_000_000)
}

/// How a PC is: `sits` at it, `lab` user on, `faulty` adapter, `down` ordered, `ill`.
fn run(how: &str, line: &str) -> Course {
    let is = |word: &str| how.split(' ').any(|one| one == word);
    let sitting = is("sits").then(|| Sitting { user: "ana".to_owned(), session_id: 3, state: "Active" });
    let around = Surroundings {
        host: "LAB-WS01",
        clock_offset: TimeDelta::zero(),
        sitting: sitting.into_iter().collect(),
        lab_user_is_on: is("lab"),
        wake_faults: is("faulty").then(|| "NIC not WoL ready: Ethernet".to_owned()),
        armed_devices: 1,
        issues: if is("ill") { vec!["RemoteApp policy missing".to_owned()] } else { Vec::new() },
        is_going_down: is("down"),
        file: &|named| (*named == Named::Heartbeat).then(|| b"\xef\xbb\xbf{\"\xc3\xb1\":1}".to_vec()),
        status: &|| b"\xef\xbb\xbf{}".to_vec(),
    };
    plan(line, true, at(), &around, &mut ChaCha8Rng::seed_from_u64(7))
}

/// What a course changes, in short.
fn changes(course: &Course) -> String {
    let words = course.changes.iter().map(|(_, change)| match change {
        Change::Record(Operation::Prepare(run)) => format!("prepare:{}", run.success),
        Change::Record(Operation::Release(run, reboot)) => format!("release:{}:{reboot:?}", run.success),
        Change::Record(Operation::ForcedLogoff(logoff)) => format!("logoff:{}:{}", logoff.user, logoff.grace),
        Change::Record(Operation::Power(run)) => format!("power:{}:{}:{}", run.mode, run.success, run.delay),
        Change::Record(Operation::SafeguardReboot { rebooted, reason, .. }) => format!("recovery:{rebooted}:{reason}"),
        Change::LogOff(user) => format!("leaves:{user}"),
        Change::LabUserLeaves => "lab user leaves".to_owned(),
        Change::RepairWake => "repair".to_owned(),
        Change::GoDown(down) => format!("{down:?}"),
        Change::Write(path, bytes) => format!("write {path} {}", bytes.len()),
        Change::Remove(path) => format!("remove {path}"),
    });
    words.collect::<Vec<_>>().join(", ")
}

#[test]
fn every_command_of_lab_station_has_its_exit_code_its_time_and_its_traces() {
    for (how, command, exit_code, seconds, traces) in [
        ("lab", "prepare-session", 0, 2..=6, "prepare:true"),
        ("sits", "prepare-session", 0, 92..=98, "leaves:ana, logoff:ana:90, prepare:true"),
        ("sits", "prepare-session --guard-grace=10", 0, 32..=38, "leaves:ana, logoff:ana:30, prepare:true"),
        ("sits", "prepare-session --no-guard", 1, 2..=6, "prepare:false"),
        ("lab", "prepare-session --user=newcomer", 1, 2..=6, "prepare:false"),
        ("lab", "release-session", 0, 2..=6, "lab user leaves, release:true:None"),
        ("", "release-session", 1, 2..=6, "release:false:None"),
        ("", "release-session --reboot --reboot-timeout=15", 1, 2..=6, "release:false:Some(15), Reboot"),
        ("down", "release-session --reboot", 1, 2..=6, "release:false:Some(0)"),
        ("sits", "session guard --grace=60 --user=ANA", 0, 60..=63, "leaves:ana, logoff:ana:60"),
        ("sits", "session guard --user=berta", 0, 0..=1, ""),
        ("", "session guard", 0, 0..=1, ""),
        ("", "power shutdown --delay=60", 0, 0..=2, "power:shutdown:true:60, Shutdown"),
        ("", "power hibernate", 0, 0..=2, "power:hibernate:true:0, Hibernate"),
        ("faulty", "power shutdown", 0, 0..=2, "power:shutdown:true:0, Shutdown"),
        ("faulty", "power shutdown --require-wake", 1, 0..=2, "power:shutdown:false:0"),
        ("faulty", "power shutdown --require-wake --skip-wake-check", 0, 0..=2, "power:shutdown:true:0, Shutdown"),
        (
            "faulty",
            "power shutdown --require-wake --repair-wake=yes",
            0,
            2..=6,
            "repair, power:shutdown:true:0, Shutdown",
        ),
        ("sits", "power shutdown --no-force", 1, 0..=2, "power:shutdown:false:0"),
        ("down", "power shutdown", 1, 0..=2, "power:shutdown:false:0"),
        ("", "power reboot", 2, 0..=1, ""),
        ("", "recovery reboot-if-needed", 1, 5..=16, "recovery:false:healthy"),
        ("ill", "recovery reboot-if-needed", 0, 5..=16, "recovery:true:issues, Reboot"),
        ("", "recovery reboot-if-needed --reason=x", 0, 5..=16, "recovery:true:x, Reboot"),
        ("", "recovery reboot-if-needed --force", 0, 5..=16, "recovery:true:forced, Reboot"),
        ("", "status-json", 0, 5..=16, ""),
        ("", r"status-json C:\x.json", 0, 5..=16, r"write C:\x.json 5"),
        ("", "account list", 2, 0..=1, ""),
    ] {
        let course = run(how, &format!(r"C:\LabStation\LabStation.exe {command}"));
        assert_eq!(course.exit_code, exit_code, "{how}: {command}");
        assert_eq!(changes(&course), traces, "{how}: {command}");
        let took = (course.ends_at - course.begun_at).num_seconds();
        assert!(seconds.contains(&took), "{how}: {command} took {took} s");
        let stream = if exit_code == 2 { Stream::Stderr } else { Stream::Stdout };
        let says = exit_code != 2 && command.contains(".json");
        assert!(says || !course.text(stream).is_empty() || exit_code == 1, "{how}: {command} says something");
    }
}

#[test]
fn a_power_action_happens_after_its_delay() {
    let course = run("", r"C:\LabStation\LabStation.exe power shutdown --delay=60");
    let (down_at, _) = course.changes.iter().find(|(_, change)| matches!(change, Change::GoDown(_))).unwrap();
    assert!((60..=61).contains(&(*down_at - course.ends_at).num_seconds()));
}

#[test]
fn the_shell_runs_what_it_finds_and_says_what_it_does_not() {
    for (line, exit_code, out, err) in [
        ("hostname", 0, "LAB-WS01\r\n", ""),
        ("echo año & echo b", 0, "año\r\nb\r\n", ""),
        (
            "calc",
            1,
            "",
            "'calc' is not recognized as an internal or external command,\r\noperable program or batch file.\r\n",
        ),
        ("exit 3", 3, "", ""),
        ("exit /b 5", 5, "", ""),
        (
            "calc && echo b",
            1,
            "",
            "'calc' is not recognized as an internal or external command,\r\noperable program or batch file.\r\n",
        ),
        (
            "LabStation.exe status-json",
            1,
            "",
            "'LabStation.exe' is not recognized as an internal or external command,\r\noperable program or batch file.\r\n",
        ),
        (r"type C:\nothing", 1, "", "The system cannot find the file specified.\r\n"),
        (r"type C:\LabStation\labstation\data\telemetry\heartbeat.json", 0, "\u{feff}{\"ñ\":1}", ""),
        ("echo a > nul", 0, "", ""),
        ("", 0, "", ""),
    ] {
        let course = run("", line);
        let said = (course.exit_code, course.text(Stream::Stdout), course.text(Stream::Stderr));
        assert_eq!(said, (exit_code, out.to_owned(), err.to_owned()), "{line}");
    }
    assert_eq!((run("", "ping -n 31 127.0.0.1").ends_at - at()).num_seconds(), 30, "the usual way to wait");
}

#[test]
fn an_argument_that_breaks_out_of_its_quotes_is_seen_to_run() {
    let inert = run("", r#"C:\LabStation\LabStation.exe power shutdown "--reason=a & hostname""#);
    assert!(!inert.text(Stream::Stdout).contains("LAB-WS01"));
    let broken = run("", r"C:\LabStation\LabStation.exe power shutdown --reason=a & hostname");
    assert!(broken.text(Stream::Stdout).contains("LAB-WS01"));
}

#[test]
fn a_file_comes_back_byte_for_byte_through_base64() {
    let encode = |script: &str| {
        let bytes: Vec<u8> = script.encode_utf16().flat_map(u16::to_le_bytes).collect();
        format!("powershell -NoProfile -EncodedCommand {}", STANDARD.encode(bytes))
    };
    let path = r"C:\LabStation\labstation\data\telemetry\heartbeat.json";
    let course = run("", &encode(&format!("[Convert]::ToBase64String([IO.File]::ReadAllBytes('{path}'))")));
    assert_eq!(STANDARD.decode(course.text(Stream::Stdout).trim()).unwrap(), b"\xef\xbb\xbf{\"\xc3\xb1\":1}");
    assert_eq!(course.exit_code, 0);
    assert_eq!(run("", &encode(&format!("Get-Content -Raw '{path}'"))).text(Stream::Stdout), "{\"ñ\":1}\r\n");
    assert_eq!(run("", &encode(r"Get-Content 'C:\nothing'")).exit_code, 1);
    let flag = r"C:\LabStation\labstation\data\local-mode.flag";
    assert_eq!(
        changes(&run("", &encode(&format!("New-Item -ItemType File -Force '{flag}'")))),
        format!("write {flag} 0")
    );
    assert_eq!(changes(&run("", &format!("type nul > {flag}"))), format!("write {flag} 0"));
    assert_eq!(changes(&run("", &format!("del /q {flag}"))), format!("remove {flag}"));
}
