//! What the pages take from elsewhere is byte for byte what its makers published.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Every file and its SHA-256. A new version is taken from its package on npm, file by file, and nothing of it is changed.
const FILES: [(&str, &str); 5] = [
    // lit-html 3.3.3
    ("lit-html/LICENSE", "2b66f9390afde29edfe4314daff93f01fb182e1178053e228120178987e5db75"),
    ("lit-html/directive-helpers.js", "f7fb1154b8f72ed2cc08b05eaeed71c99270e9ad2d48620ed24688a1af4c2b62"),
    ("lit-html/directive.js", "3344c4f41c69cd0701d3937e8f9ef90bd845614bf6456d0b8314b7c51d415b9d"),
    ("lit-html/directives/repeat.js", "083140026ecd8665fedd15b17769f9d516252a9f1502f1e91e6967686ee82626"),
    ("lit-html/lit-html.js", "b878e7f95dec8a9b6e9b217faca6b6a11bad82ebc44c0caa77419ed83edd81f2"),
];

fn hashes(root: &Path, folder: PathBuf, found: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            hashes(root, path, found);
        } else {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
            found.insert(name, hex::encode(Sha256::digest(std::fs::read(&path).unwrap())));
        }
    }
}

#[test]
fn vendored_files_are_the_ones_that_were_published() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("ui/vendor");
    let mut found = BTreeMap::new();
    hashes(&root, root.clone(), &mut found);
    let expected: BTreeMap<_, _> = FILES.map(|(name, hash)| (name.to_owned(), hash.to_owned())).into();
    assert_eq!(found, expected);
}
