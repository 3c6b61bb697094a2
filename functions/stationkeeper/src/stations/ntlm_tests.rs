use super::*;

const NONCE: [u8; 8] = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef];

fn account(password: &str) -> Account {
    Account { user: "User".to_owned(), password: password.to_owned() }
}

fn negotiate() -> Vec<u8> {
    let mut message = SIGNATURE.to_vec();
    message.extend(1_u32.to_le_bytes());
    message.extend((UNICODE | KEY_EXCHANGE | 0x8_0000).to_le_bytes());
    message.extend([0; 16]);
    message
}

/// What a client sends.
struct Client<'a> {
    user: &'a str,
    password: &'a str,
    facts: Vec<(u16, Vec<u8>)>,
    with_code: bool,
    exchanges: bool,
}

impl Client<'_> {
    fn answers(&self, challenge: &Challenge) -> Vec<u8> {
        let domain = utf16("Domain");
        let owner = owner_key(self.password, self.user, &domain);
        let mut blob = vec![1, 1, 0, 0, 0, 0, 0, 0];
        blob.extend([7; 8]);
        blob.extend([0xaa; 8]);
        blob.extend([0; 4]);
        let flags = (fact::FLAGS, vec![2, 0, 0, 0]);
        for (number, value) in self.facts.iter().chain(self.with_code.then_some(&flags)) {
            blob.extend(number.to_le_bytes());
            blob.extend(length(value).unwrap());
            blob.extend(value);
        }
        blob.extend([0; 8]);
        let proof = code(&owner, &[&challenge.nonce, &blob]);
        let response = [proof.as_slice(), &blob].concat();
        let base = code(&owner, &[&proof]);
        let (mut exported, mut encrypted) = (base, Vec::new());
        if self.exchanges {
            exported = [9; 16];
            let mut sent = exported;
            Rc4::new_from_slice(&base).unwrap().apply_keystream(&mut sent);
            encrypted = sent.to_vec();
        }
        let mut message = SIGNATURE.to_vec();
        message.extend(3_u32.to_le_bytes());
        let mut payload = Vec::new();
        for value in [Vec::new(), response, domain, utf16(self.user), Vec::new(), encrypted] {
            message.extend(length(&value).unwrap());
            message.extend(length(&value).unwrap());
            message.extend(u32::try_from(88 + payload.len()).unwrap().to_le_bytes());
            payload.extend(value);
        }
        message.extend(if self.exchanges { KEY_EXCHANGE } else { 0 }.to_le_bytes());
        message.extend(VERSION);
        message.extend([0; 16]);
        message.extend(payload);
        if self.with_code {
            let sent = code(&exported, &[&challenge.negotiate, &challenge.message, &message]);
            message[CODE_AT].copy_from_slice(&sent);
        }
        message
    }
}

fn client() -> Client<'static> {
    Client { user: "User", password: "Password", facts: Vec::new(), with_code: true, exchanges: true }
}

fn challenge() -> Challenge {
    Challenge::new(&negotiate(), "LAB-WS01", NONCE, 5).unwrap()
}

#[test]
fn the_keys_are_those_of_the_protocols_own_example() {
    let owner = owner_key("Password", "User", &utf16("Domain"));
    assert_eq!(hex::encode(owner), "0c868a403bfd7a93a3001ef22ef02e3f");
    let mut blob = vec![1, 1, 0, 0, 0, 0, 0, 0];
    blob.extend([0; 8]);
    blob.extend([0xaa; 8]);
    blob.extend([0; 4]);
    for (number, value) in [(fact::DOMAIN, "Domain"), (fact::COMPUTER, "Server")] {
        blob.extend(number.to_le_bytes());
        blob.extend(length(&utf16(value)).unwrap());
        blob.extend(utf16(value));
    }
    blob.extend([0; 8]);
    let proof = code(&owner, &[&NONCE, &blob]);
    assert_eq!(hex::encode(proof), "68cd0ab851e51c96aabc927bebef6a1c");
    assert_eq!(hex::encode(code(&owner, &[&proof])), "8de40ccadbc14a82f15cb0ad0de95ca3", "the session's base key");
}

#[test]
fn whoever_knows_the_password_is_let_in_and_nobody_else() {
    let hash = [3; 32];
    let bound = |value: [u8; 16]| vec![(fact::BINDING, value.to_vec())];
    for (shows, who, outcome) in [
        ("with an integrity code and a key of its own", client(), Ok(())),
        ("with the session's key", Client { exchanges: false, ..client() }, Ok(())),
        ("without an integrity code", Client { with_code: false, ..client() }, Ok(())),
        ("letter case of a name does not matter", Client { user: "USER", ..client() }, Ok(())),
        ("it saw our certificate", Client { facts: bound(binding(&hash)), ..client() }, Ok(())),
        ("it says nothing of a certificate", Client { facts: bound([0; 16]), ..client() }, Ok(())),
        ("it saw another one", Client { facts: bound([1; 16]), ..client() }, Err(Refused::Binding)),
        ("another password", Client { password: "password", ..client() }, Err(Refused::Proof)),
        ("and no integrity code", Client { password: "x", with_code: false, ..client() }, Err(Refused::Proof)),
        ("another name", Client { user: "Admin", ..client() }, Err(Refused::Name)),
    ] {
        let challenge = challenge();
        let answer = who.answers(&challenge);
        assert_eq!(challenge.accepts(&answer, &account("Password"), binding(&hash)), outcome, "{shows}");
    }
}

#[test]
fn a_changed_message_is_not_an_answer() {
    let challenge = challenge();
    let account = account("Password");
    let mut changed = client().answers(&challenge);
    changed[64] ^= 1;
    assert_eq!(challenge.accepts(&changed, &account, [0; 16]), Err(Refused::IntegrityCode));
    let other = Challenge { nonce: [0; 8], ..challenge.clone() };
    assert_eq!(other.accepts(&client().answers(&challenge), &account, [0; 16]), Err(Refused::Proof), "an older answer");
}

#[test]
fn whatever_is_sent_nothing_breaks() {
    let challenge = challenge();
    let whole = client().answers(&challenge);
    for end in 0..whole.len() {
        assert!(challenge.accepts(&whole[..end], &account("Password"), [0; 16]).is_err(), "cut at {end}");
    }
    for place in 12..60 {
        let mut wild = whole.clone();
        wild[place] = 0xff;
        let _either = challenge.accepts(&wild, &account("Password"), [0; 16]);
    }
    for bad in [b"".as_slice(), b"NTLMSSP\0", &whole, b"NTLMSSP\0\x01\0\0\0\0\0\0\0"] {
        assert_eq!(Challenge::new(bad, "LAB-WS01", NONCE, 5).err(), Some(Refused::Malformed));
    }
}

#[test]
fn the_second_message_is_readable() {
    let challenge = challenge();
    let message = challenge.message();
    assert!(is(message, 2));
    assert_eq!(&message[24..32], &NONCE);
    assert_eq!(text(field(message, 12).unwrap()).unwrap(), "LAB-WS01");
    let facts = Facts(field(message, 40).unwrap());
    assert_eq!(facts.of(fact::TIME), Some(5_u64.to_le_bytes().as_slice()));
    assert_eq!(text(facts.of(fact::COMPUTER).unwrap()).unwrap(), "LAB-WS01");
}
