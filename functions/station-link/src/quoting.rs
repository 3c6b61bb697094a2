//! One argument stays one argument. Two programs read a command line on its way: `cmd.exe`, WinRM's shell, which sees operators outside of quotes
//! and variables everywhere, and the C runtime of the program, which splits it into arguments. They disagree on an escaped quote, so what
//! is quoted for the second is checked with the eyes of the first.

/// Why a text cannot be passed to a station.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unquotable {
    /// A line break would begin a second command.
    #[error("it has a line break or another control character")]
    ControlCharacter,
    /// An escaped quote ends what `cmd.exe` takes for quoted, and an operator would follow.
    #[error("its quotation marks would expose one of & | < > ^ ( ) ! to the shell: leave the marks out")]
    ExposedOperator,
    /// An odd number of quotes leaves the rest of the line quoted or not, as one looks at it.
    #[error("it has an unpaired quotation mark: leave it out")]
    UnpairedQuote,
    /// `%NAME%` is replaced inside of quotes too.
    #[error("it has more than one % sign, between which the shell would look for a variable")]
    Variable,
}

const OPERATORS: &str = "&|<>^()!";

/// The argument as a command line has it: quoted where it must be, so that the C runtime's rules give it back as it was.
pub fn quote(argument: &str) -> Result<String, Unquotable> {
    if argument.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{fffe}' | '\u{ffff}')) {
        return Err(Unquotable::ControlCharacter);
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./\\:=+@".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        return Ok(argument.to_owned());
    }
    let mut quoted = String::from("\"");
    let mut backslashes = 0;
    for c in argument.chars() {
        match c {
            '\\' => backslashes += 1,
            // Backslashes count as escapes only before a quote; then each is doubled.
            '"' => {
                quoted.extend(std::iter::repeat_n('\\', backslashes + 1));
                backslashes = 0;
            }
            _ => backslashes = 0,
        }
        quoted.push(c);
    }
    quoted.extend(std::iter::repeat_n('\\', backslashes));
    quoted.push('"');
    inert(&quoted)?;
    Ok(quoted)
}

/// Whether `cmd.exe` passes this line on as it is.
pub(crate) fn inert(line: &str) -> Result<(), Unquotable> {
    let mut inside = false;
    for c in line.chars() {
        match c {
            '"' => inside = !inside,
            _ if !inside && OPERATORS.contains(c) => return Err(Unquotable::ExposedOperator),
            _ => {}
        }
    }
    if inside {
        return Err(Unquotable::UnpairedQuote);
    }
    if line.matches('%').count() > 1 {
        return Err(Unquotable::Variable);
    }
    Ok(())
}

/// The arguments of one text, by the rules of the C runtime. A quote that is not closed lasts to the end.
pub fn split(text: &str) -> Vec<String> {
    let mut arguments = Vec::new();
    let mut current: Option<String> = None;
    let mut inside = false;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            ' ' | '\t' if !inside => arguments.extend(current.take()),
            '\\' => {
                let mut count = 1;
                while rest.next_if_eq(&'\\').is_some() {
                    count += 1;
                }
                let word = current.get_or_insert_default();
                if rest.peek() == Some(&'"') {
                    word.extend(std::iter::repeat_n('\\', count / 2));
                    if count % 2 == 1 {
                        rest.next();
                        word.push('"');
                    }
                } else {
                    word.extend(std::iter::repeat_n('\\', count));
                }
            }
            '"' => {
                let word = current.get_or_insert_default();
                if inside && rest.next_if_eq(&'"').is_some() {
                    word.push('"');
                } else {
                    inside = !inside;
                }
            }
            c => current.get_or_insert_default().push(c),
        }
    }
    arguments.extend(current);
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_argument_is_quoted_where_it_must_be() {
        for (argument, quoted) in [
            ("prepare-session", Ok("prepare-session")),
            ("--user=LAB\\ana", Ok("--user=LAB\\ana")),
            ("", Ok(r#""""#)),
            ("--reason=Remote order", Ok(r#""--reason=Remote order""#)),
            ("a & b", Ok(r#""a & b""#)),
            ("a|b", Ok(r#""a|b""#)),
            ("100 % sure!", Ok(r#""100 % sure!""#)),
            (r"ends in a folder \", Ok(r#""ends in a folder \\""#)),
            (r#"say "now" please"#, Ok(r#""say \"now\" please""#)),
            (r#"two \\"a\\" more"#, Ok(r#""two \\\\\"a\\\\\" more""#)),
            ("días de práctica", Ok("\"días de práctica\"")),
            (r#"x" & calc "y"#, Err(Unquotable::ExposedOperator)),
            (r#"x" ^& calc "y"#, Err(Unquotable::ExposedOperator)),
            (r#"5" disk"#, Err(Unquotable::UnpairedQuote)),
            ("%PATH%", Err(Unquotable::Variable)),
            ("50%", Ok(r#""50%""#)),
            ("one\ntwo", Err(Unquotable::ControlCharacter)),
            ("one\r", Err(Unquotable::ControlCharacter)),
            ("nul\0", Err(Unquotable::ControlCharacter)),
            ("escape\u{1b}[2J", Err(Unquotable::ControlCharacter)),
        ] {
            assert_eq!(quote(argument).as_deref(), quoted.as_ref().copied(), "{argument:?}");
        }
    }

    #[test]
    fn one_text_is_split_like_a_command_line() {
        for (text, arguments) in [
            ("", &[][..]),
            ("  ", &[]),
            ("--reboot --user=a", &["--reboot", "--user=a"]),
            (r#""--reason=Remote order" --force"#, &["--reason=Remote order", "--force"]),
            (r#"--reason="Remote order""#, &["--reason=Remote order"]),
            (r#"a\b c\\d "e\\" f"#, &[r"a\b", r"c\\d", r"e\", "f"]),
            (r#"\"quoted\""#, &["\"quoted\""]),
            (r#""say ""now"" please""#, &[r#"say "now" please"#]),
            (r#""open to the end"#, &["open to the end"]),
            (r#"a "" b"#, &["a", "", "b"]),
        ] {
            assert_eq!(split(text), arguments, "{text}");
        }
    }

    /// What `cmd.exe` would act on: an operator out of quotes.
    fn exposed(line: &str) -> bool {
        let mut parts = line.split('"').enumerate();
        parts.any(|(place, part)| place % 2 == 0 && part.contains(['&', '|', '<', '>', '^', '!', '(', ')']))
    }

    proptest! {
        #[test]
        fn what_is_quoted_comes_back_as_itself(arguments in prop::collection::vec("[ a-z\"\\\\&|<>^%!()=é\\-]{0,12}|\\PC{0,20}", 0..5)) {
            let Ok(quoted) = arguments.iter().map(|one| quote(one)).collect::<Result<Vec<_>, _>>() else {
                return Ok(());
            };
            let line = quoted.join(" ");
            prop_assert_eq!(split(&line), arguments);
            prop_assert!(!exposed(&line), "{}", line);
        }

        #[test]
        fn only_what_is_dangerous_is_refused(argument in "[^\"%\\p{C}\u{2028}\u{2029}]{0,40}") {
            prop_assert!(quote(&argument).is_ok());
        }

        #[test]
        fn any_text_is_split(text in ".*") {
            split(&text);
        }
    }
}
