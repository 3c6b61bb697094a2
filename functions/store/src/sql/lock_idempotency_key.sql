select token_id, idempotency_key, request_sha256, claimed_by, claimed_until, answer, expires_at
from idempotency_keys
where token_id = ? and idempotency_key = ?
{for update}
