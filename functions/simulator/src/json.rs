//! JSON as the emitter writes it (telemetry.md section 1): booleans are integers there, so 0 and 1 come out as words.

/// Text in quotes; only `"`, `\` and \b \f \n \r \t are escaped, other control characters stand raw. The exact text `null` is no text.
pub(crate) fn text(out: &mut Vec<u8>, value: &str) {
    if value == "null" {
        out.extend_from_slice(b"null");
        return;
    }
    out.push(b'"');
    for &byte in value.as_bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            other => out.push(other),
        }
    }
    out.push(b'"');
}

/// `true` or `false`.
pub(crate) fn boolean(out: &mut Vec<u8>, value: bool) {
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

/// An integer: 0 and 1 come out as `false` and `true`.
pub(crate) fn integer(out: &mut Vec<u8>, value: i64) {
    match value {
        0 => out.extend_from_slice(b"false"),
        1 => out.extend_from_slice(b"true"),
        other => digits(out, other),
    }
}

/// Decimal digits.
fn digits(out: &mut Vec<u8>, value: i64) {
    if value < 0 {
        out.push(b'-');
    }
    let mut rest = value.unsigned_abs();
    let mut reversed = [0_u8; 20];
    let mut length = 0;
    loop {
        // `rest % 10` is one digit; 20 of them hold any u64.
        reversed[length] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        length += 1;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend(reversed[..length].iter().rev());
}

/// A float: 17 significant digits, `.0` when whole, an exponent with sign and two digits; 0 and 1 are words.
pub(crate) fn float(out: &mut Vec<u8>, value: f64) {
    if value == 0.0 {
        out.extend_from_slice(b"false");
    } else if value == 1.0 {
        out.extend_from_slice(b"true");
    } else {
        out.extend_from_slice(float_text(value).as_bytes());
    }
}

/// What `%.17g` gives, with `.0` behind a whole number that has no exponent.
pub(crate) fn float_text(value: f64) -> String {
    let scientific = format!("{value:.16e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        return scientific; // inf and NaN, which no caller has
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-4..17).contains(&exponent) {
        let mantissa = mantissa.trim_end_matches('0').trim_end_matches('.');
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    let decimals = usize::try_from(16 - exponent).unwrap_or(0);
    let fixed = format!("{value:.decimals$}");
    if !fixed.contains('.') {
        return fixed + ".0";
    }
    let trimmed = fixed.trim_end_matches('0');
    if trimmed.ends_with('.') { format!("{trimmed}0") } else { trimmed.to_owned() }
}

/// `["a","b"]`.
pub(crate) fn texts<T: AsRef<str>>(out: &mut Vec<u8>, values: &[T]) {
    array(out, values, |out, value| text(out, value.as_ref()));
}

/// `[…]` of anything.
pub(crate) fn array<T>(out: &mut Vec<u8>, values: &[T], mut write: impl FnMut(&mut Vec<u8>, &T)) {
    out.push(b'[');
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, value);
    }
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_come_out_as_the_interpreter_prints_them() {
        for (value, text) in [
            (0.1, "0.10000000000000001"),
            (2.0, "2.0"),
            (1.0, "true"),
            (0.0, "false"),
            (1e20, "1e+20"),
            (45.5, "45.5"),
            (1_795_507_257.0, "1795507257.0"),
            (1_795_507_204.171_875, "1795507204.171875"),
            (0.000_012_5, "1.2500000000000001e-05"),
        ] {
            assert_eq!(written(|out| float(out, value)), text);
        }
        for (value, text) in [(0, "false"), (1, "true"), (2, "2"), (-7, "-7"), (i64::MIN, "-9223372036854775808")] {
            assert_eq!(written(|out| integer(out, value)), text);
        }
    }

    #[test]
    fn control_characters_stand_raw_and_null_is_no_text() {
        assert_eq!(
            written(|out| text(out, "a\"\\\u{8}\u{c}\n\r\t\u{1b}\u{1}/ñ")),
            "\"a\\\"\\\\\\b\\f\\n\\r\\t\u{1b}\u{1}/ñ\""
        );
        assert_eq!(written(|out| text(out, "null")), "null");
        assert_eq!(written(|out| texts(out, &["null ", ""])), "[\"null \",\"\"]");
    }
}
