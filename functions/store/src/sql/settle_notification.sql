update notifications
set state = ?, attempts = attempts + ?, last_error = ?, settled_at = ?, next_attempt_at = ?
where id = ? and state = 'pending'{filters}
