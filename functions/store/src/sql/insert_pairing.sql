insert into pairing_codes (sha256, name, role, labs, created_at, expires_at) values {rows}
{keep sha256}
