insert into idempotency_keys (token_id, idempotency_key, request_sha256, claimed_by, claimed_until, expires_at)
values {rows}
{keep token_id, idempotency_key = token_id}
