//! boto3, in the Python that tests/run prepares.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use super::programs::with_input;
use super::up::Access;
use super::variable;

/// One thing to do.
pub fn put(key: &str, body: &[u8]) -> Value {
    json!({ "do": "put", "key": key, "body": base64(body) })
}

/// A PUT by a presigned URL.
pub fn presigned_put(key: &str, body: &[u8]) -> Value {
    json!({ "do": "presigned_put", "key": key, "body": base64(body) })
}

/// Does it all by boto3, one answer an operation: `{"status", "code", …}`.
pub fn boto3(access: &Access, operations: &[Value]) -> Vec<Value> {
    let python = variable("STATIONKEEPER_TEST_PYTHON").expect(
        "STATIONKEEPER_TEST_PYTHON is not set: run tests/run, or give a python that has what tests/requirements.txt pins",
    );
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("end_to_end/harness/boto3_client.py");
    let asked = json!({
        "endpoint": access.endpoint,
        "bucket": access.bucket,
        "access_key_id": access.access_key_id,
        "secret_access_key": access.secret_access_key,
        "operations": operations,
    });
    let mut command = Command::new(python);
    // Loopback is never asked for by way of somebody's proxy.
    command.arg(script).env("NO_PROXY", "127.0.0.1").env("AWS_EC2_METADATA_DISABLED", "true");
    let output = with_input(command, asked.to_string().as_bytes());
    assert!(output.status.success(), "boto3: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("a list of answers")
}

/// Every operation must be answered by 200.
pub fn boto3_puts(access: &Access, operations: &[Value]) {
    for (operation, answer) in operations.iter().zip(boto3(access, operations)) {
        assert_eq!(answer["status"], 200, "{}: {answer}", operation["key"]);
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len() * 4 / 3 + 4);
    for three in bytes.chunks(3) {
        let number =
            three.iter().fold(0_u32, |number, byte| (number << 8) | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let digit = DIGITS[((number >> (18 - 6 * place)) & 63) as usize];
            text.push(if place <= three.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

/// Undoes what the script does to a body.
pub fn from_base64(text: &str) -> Vec<u8> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b'=').map(value).collect();
    digits
        .chunks(4)
        .flat_map(|four| {
            let number = four.iter().fold(0_u32, |number, digit| (number << 6) | u32::from(*digit));
            let number = number << (6 * (4 - four.len()));
            number.to_be_bytes()[1..four.len()].to_vec()
        })
        .collect()
}

#[test]
fn base64_there_and_back() {
    for (bytes, text) in
        [(&b""[..], ""), (b"a", "YQ=="), (b"ab", "YWI="), (b"abc", "YWJj"), (b"\xff\x00\xfe~", "/wD+fg==")]
    {
        assert_eq!(base64(bytes), text);
        assert_eq!(from_base64(text), bytes);
    }
}
