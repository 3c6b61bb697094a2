delete from idempotency_keys
where token_id = ? and idempotency_key = ? and claimed_by = ? and answer is null
