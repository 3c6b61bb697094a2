update idempotency_keys
set answer = ?
where token_id = ? and idempotency_key = ? and claimed_by = ? and answer is null
