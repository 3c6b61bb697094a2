//! SQL is written for what MySQL 8 and MariaDB share, and both sets of migrations mean the same.

#![expect(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn sql_below(folder: &str) -> BTreeMap<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let files: BTreeMap<_, _> = fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
        .collect();
    assert!(!files.is_empty(), "{folder} has SQL");
    files
}

#[test]
fn no_statement_uses_what_one_of_the_servers_lacks() {
    for folder in ["src/sql", "migrations/mysql", "migrations/sqlite"] {
        for (path, text) in sql_below(folder) {
            let text = text.to_lowercase();
            for banned in ["returning", " as new", "utf8mb4_0900", "insert ignore", "insert or ", "replace into"] {
                assert!(!text.contains(banned), "{}: {banned}", path.display());
            }
        }
    }
}

#[test]
fn both_sets_of_migrations_make_the_same_tables_and_columns() {
    let columns = |folder| {
        let mut columns = Vec::new();
        for (path, text) in sql_below(folder) {
            let mut table = path.file_name().unwrap().to_string_lossy().into_owned();
            for line in text.lines() {
                let line = line.trim().replace(['`', '"'], "");
                let mut words = line.split([' ', '(']);
                let first = words.next().unwrap_or_default();
                match first {
                    "create" => {
                        let rest = line.split_once('(').map_or(line.as_str(), |(before, _)| before);
                        table = rest.trim().to_owned();
                        columns.push(table.clone());
                    }
                    "" | "--" | ")" | ");" | "primary" | "foreign" | "check" | "insert" => {}
                    _ => columns.push(format!("{table}.{first} {}", line.contains("not null"))),
                }
            }
        }
        columns
    };
    let (sqlite, mysql) = (columns("migrations/sqlite"), columns("migrations/mysql"));
    let normalized = |columns: Vec<String>| {
        columns.into_iter().filter(|column| !column.contains("updates.sequence")).collect::<Vec<_>>()
    };
    assert_eq!(normalized(sqlite), normalized(mysql));
}
