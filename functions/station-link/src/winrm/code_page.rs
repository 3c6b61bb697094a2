//! What a console writes is in its code page.

use oem_cp::code_table::DECODING_TABLE_CP_MAP;

/// A code page of consoles, as `chcp` counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CodePage(u16);

const UTF_8: u16 = 65001;

impl CodePage {
    /// Of that number: a code page of one byte a character (437, 850, …), or 65001 for UTF-8. `None`: unknown here.
    pub fn new(number: u16) -> Option<Self> {
        (number == UTF_8 || DECODING_TABLE_CP_MAP.contains_key(&number)).then_some(Self(number))
    }

    /// As `WINRS_CODEPAGE` wants it.
    pub(crate) fn number(self) -> u16 {
        self.0
    }

    /// What cannot be read becomes U+FFFD.
    pub(crate) fn decode(self, bytes: &[u8]) -> String {
        match DECODING_TABLE_CP_MAP.get(&self.0) {
            Some(table) => table.decode_string_lossy(bytes),
            None => String::from_utf8_lossy(bytes).into_owned(),
        }
    }
}

/// That of western Europe: it has what the American one lacks of Spanish, and the lower-case letters at the same places.
impl Default for CodePage {
    fn default() -> Self {
        Self(850)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bytes_are_letters_of_their_code_page() {
        for (page, bytes, text) in [
            (850, &b"sesi\xa2n de Mar\xa1a, \xb5\xd6\xe0"[..], "sesión de María, ÁÍÓ"),
            (437, b"sesi\xa2n de Mar\xa1a, \xe0", "sesión de María, α"),
            (65001, "sesión €".as_bytes(), "sesión €"),
            (65001, b"torn \xc3", "torn \u{fffd}"),
            (850, b"plain\r\n", "plain\r\n"),
        ] {
            assert_eq!(CodePage::new(page).unwrap().decode(bytes), text, "{page}");
        }
        assert_eq!(CodePage::new(1), None);
        assert_eq!(CodePage::default().number(), 850);
    }

    proptest! {
        #[test]
        fn any_bytes_are_text(bytes in prop::collection::vec(any::<u8>(), 0..64), place in 0_usize..20) {
            let pages: Vec<u16> = DECODING_TABLE_CP_MAP.keys().copied().chain([UTF_8]).collect();
            CodePage::new(pages[place % pages.len()]).unwrap().decode(&bytes);
        }
    }
}
