update idempotency_keys
set request_sha256 = ?, claimed_by = ?, claimed_until = ?, expires_at = ?, answer = null
where token_id = ? and idempotency_key = ?
