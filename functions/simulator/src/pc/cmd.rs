//! How Windows takes a command line apart: first `cmd.exe`, then the program itself.

/// What stands before a command in a line of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Joined {
    /// The first one, or after `&`.
    Always,
    /// After `&&`.
    IfDone,
    /// After `||`.
    IfFailed,
    /// After `|`: its input is what the one before printed.
    Pipe,
}

/// One command of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub joined: Joined,
    /// As the program gets it: quotes stand, carets are gone.
    pub text: String,
    /// Behind `>`: where standard output goes.
    pub output_to: Option<String>,
}

/// What `cmd /c` makes of a line: variables first, then what joins commands, outside of quotes only. A line break ends it.
pub(crate) fn parts(line: &str, variable: impl Fn(&str) -> Option<String>) -> Vec<Part> {
    let line = expand(line.split(['\r', '\n']).next().unwrap_or(""), variable);
    let mut parts = Vec::new();
    let mut part = Part { joined: Joined::Always, text: String::new(), output_to: None };
    let mut characters = line.chars().peekable();
    let (mut quoted, mut into_target) = (false, false);
    while let Some(character) = characters.next() {
        let mut kept = character;
        match character {
            '"' => quoted = !quoted,
            '^' if !quoted => match characters.next() {
                Some(next) => kept = next,
                None => break,
            },
            '&' | '|' if !quoted => {
                let double = characters.next_if_eq(&character).is_some();
                let joined = match (character, double) {
                    ('&', false) => Joined::Always,
                    ('&', true) => Joined::IfDone,
                    (_, true) => Joined::IfFailed,
                    (_, false) => Joined::Pipe,
                };
                parts.push(std::mem::replace(&mut part, Part { joined, text: String::new(), output_to: None }));
                into_target = false;
                continue;
            }
            '>' if !quoted => {
                characters.next_if_eq(&'>');
                while characters.next_if(|next| *next == ' ').is_some() {}
                // `2>&1` and the like: which stream is not told apart.
                if part.text.ends_with(['1', '2']) && part.text.trim_end_matches(['1', '2']).ends_with(' ') {
                    part.text.pop();
                }
                if characters.next_if_eq(&'&').is_some() {
                    characters.next();
                    continue;
                }
                part.output_to = Some(String::new());
                into_target = true;
                continue;
            }
            '<' if !quoted => {
                // Nothing here reads standard input.
                while characters.next_if(|next| *next == ' ').is_some() {}
                while characters.next_if(|next| *next != ' ').is_some() {}
                continue;
            }
            ' ' if into_target && !quoted => {
                into_target = false;
                continue;
            }
            _ => {}
        }
        match &mut part.output_to {
            Some(target) if into_target => {
                if kept != '"' {
                    target.push(kept);
                }
            }
            _ => part.text.push(kept),
        }
    }
    parts.push(part);
    parts.retain(|part| !part.text.trim().is_empty());
    for part in &mut parts {
        part.text = part.text.trim().to_owned();
    }
    parts
}

/// Puts in the values of `%NAME%`; a name that is unknown stays as it stands.
fn expand(line: &str, variable: impl Fn(&str) -> Option<String>) -> String {
    let mut expanded = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('%') {
        expanded.push_str(before);
        match after.split_once('%').and_then(|(name, behind)| Some((variable(name)?, behind))) {
            Some((value, behind)) => {
                expanded.push_str(&value);
                rest = behind;
            }
            None => {
                expanded.push('%');
                rest = after;
            }
        }
    }
    expanded.push_str(rest);
    expanded
}

/// A command line as a program finds it, its own name first: the rules of `CommandLineToArgvW`.
pub fn arguments(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = line.trim_start_matches([' ', '\t']);
    if let Some(quoted) = rest.strip_prefix('"') {
        // Of a program's own name, a quote ends a quote whatever stands before it.
        let (name, behind) = quoted.split_once('"').unwrap_or((quoted, ""));
        found.push(name.to_owned());
        rest = behind;
    } else {
        let end = rest.find([' ', '\t']).unwrap_or(rest.len());
        found.push(rest[..end].to_owned());
        rest = &rest[end..];
    }
    let mut characters = rest.chars().peekable();
    loop {
        while characters.next_if(|next| matches!(next, ' ' | '\t')).is_some() {}
        if characters.peek().is_none() {
            return found;
        }
        let mut argument = String::new();
        let mut quoted = false;
        while let Some(character) = characters.next_if(|next| quoted || !matches!(next, ' ' | '\t')) {
            match character {
                '\\' => {
                    let mut backslashes = 1;
                    while characters.next_if_eq(&'\\').is_some() {
                        backslashes += 1;
                    }
                    if characters.peek() == Some(&'"') {
                        argument.extend(std::iter::repeat_n('\\', backslashes / 2));
                        if backslashes % 2 == 1 {
                            argument.push('"');
                            characters.next();
                        }
                    } else {
                        argument.extend(std::iter::repeat_n('\\', backslashes));
                    }
                }
                '"' if quoted && characters.peek() == Some(&'"') => {
                    argument.push('"');
                    characters.next();
                }
                '"' => quoted = !quoted,
                other => argument.push(other),
            }
        }
        found.push(argument);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_finds_its_arguments_by_the_rules_of_windows() {
        for (line, found) in [
            ("x", vec!["x"]),
            ("x a b", vec!["x", "a", "b"]),
            (r#""C:\Lab Station\x.exe" a"#, vec![r"C:\Lab Station\x.exe", "a"]),
            (r#"x "--reason=Remote order" b"#, vec!["x", "--reason=Remote order", "b"]),
            (r#"x --reason="Remote order""#, vec!["x", "--reason=Remote order"]),
            (r#"x "a\"b""#, vec!["x", "a\"b"]),
            (r#"x "a""b""#, vec!["x", "a\"b"]),
            (r#"x "a\\" b"#, vec!["x", r"a\", "b"]),
            (r#"x a\\\"b"#, vec!["x", "a\\\"b"]),
            (r"x C:\a\\b", vec!["x", r"C:\a\\b"]),
            (r#"x "" b"#, vec!["x", "", "b"]),
            ("x \t a\t", vec!["x", "a"]),
            ("", vec![""]),
        ] {
            assert_eq!(arguments(line), found, "{line}");
        }
    }

    #[test]
    fn the_shell_joins_commands_outside_of_quotes_only() {
        let split = |line: &str| -> Vec<(Joined, String)> {
            let variable = |name: &str| (name == "COMPUTERNAME").then(|| "LAB-WS01".to_owned());
            parts(line, variable).into_iter().map(|part| (part.joined, part.text)).collect()
        };
        for (line, found) in [
            ("echo a", vec![(Joined::Always, "echo a")]),
            ("echo a & echo b", vec![(Joined::Always, "echo a"), (Joined::Always, "echo b")]),
            ("a && b || c", vec![(Joined::Always, "a"), (Joined::IfDone, "b"), (Joined::IfFailed, "c")]),
            ("a | b", vec![(Joined::Always, "a"), (Joined::Pipe, "b")]),
            (r#"x "a & b""#, vec![(Joined::Always, r#"x "a & b""#)]),
            ("echo a ^& b", vec![(Joined::Always, "echo a & b")]),
            (r#"x "a\" & calc""#, vec![(Joined::Always, r#"x "a\""#), (Joined::Always, r#"calc""#)]),
            ("echo %COMPUTERNAME% 50% %NO%", vec![(Joined::Always, "echo LAB-WS01 50% %NO%")]),
            ("echo a\r\nshutdown", vec![(Joined::Always, "echo a")]),
            ("", vec![]),
        ] {
            let found: Vec<_> = found.into_iter().map(|(joined, text)| (joined, text.to_owned())).collect();
            assert_eq!(split(line), found, "{line}");
        }
    }

    #[test]
    fn output_goes_where_the_arrow_points() {
        for (line, text, target) in [
            ("echo a > nul", "echo a", Some("nul")),
            (r#"type nul>"C:\a b\flag""#, "type nul", Some(r"C:\a b\flag")),
            ("dir 2>&1", "dir", None),
            ("dir > nul 2>&1", "dir", Some("nul")),
            ("echo a", "echo a", None),
        ] {
            let found = parts(line, |_| None);
            assert_eq!((found[0].text.as_str(), found[0].output_to.as_deref()), (text, target), "{line}");
        }
    }
}
