update notifications
set state = 'pending', attempts = 0, settled_at = null, next_attempt_at = ?
where state = 'dead'{filters}
